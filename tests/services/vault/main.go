// SPDX-License-Identifier: Apache-2.0

// A real HashiCorp Vault core behind its own HTTP handler, with in-memory storage and only the
// engines that the tests need. A local test server only: Vault since 1.15 is licensed under
// BUSL-1.1, so neither its source nor the binary that this builds is ever distributed.
//
// When it is ready it prints one JSON line on standard output: url, token, unseal_key, pid.
// It ends on SIGTERM or SIGINT, and when standard input is a pipe that its other end closes, so
// that a test which was killed leaves no server behind.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	log "github.com/hashicorp/go-hclog"
	k8s "github.com/hashicorp/vault-plugin-auth-kubernetes"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/audit"
	"github.com/hashicorp/vault/builtin/credential/approle"
	credCert "github.com/hashicorp/vault/builtin/credential/cert"
	"github.com/hashicorp/vault/builtin/credential/userpass"
	"github.com/hashicorp/vault/builtin/logical/transit"
	"github.com/hashicorp/vault/helper/namespace"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

// The engines and auth methods that this server has; there are no plugins.
var backends = map[consts.PluginType]map[string]logical.Factory{
	consts.PluginTypeSecrets:    {"kv": kv.Factory, "transit": transit.Factory},
	consts.PluginTypeCredential: {"approle": approle.Factory, "cert": credCert.Factory, "userpass": userpass.Factory, "kubernetes": k8s.Factory},
}

// registry answers the core's questions about builtin plugins from the table above.
type registry struct{}

func (registry) Contains(n string, t consts.PluginType) bool { _, ok := backends[t][n]; return ok }
func (registry) Get(n string, t consts.PluginType) (func() (interface{}, error), bool) {
	f, ok := backends[t][n]
	return func() (interface{}, error) { return f, nil }, ok
}
func (registry) Keys(t consts.PluginType) (k []string) {
	for n := range backends[t] {
		k = append(k, n)
	}
	return
}
func (registry) DeprecationStatus(n string, t consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, registry{}.Contains(n, t)
}
func (registry) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "vault:", err)
		os.Exit(1)
	}
}

type options struct {
	listen, token, cert, key, clientCA, log string
	requireClientCert, noInit               bool
}

func parseOptions() (o options) {
	flag.StringVar(&o.listen, "listen", "127.0.0.1:0", "loopback address; port 0: any free one")
	flag.StringVar(&o.token, "token", "root", "root token")
	flag.StringVar(&o.cert, "cert", "", "TLS certificate (PEM); empty: plain HTTP")
	flag.StringVar(&o.key, "key", "", "TLS key (PEM)")
	flag.StringVar(&o.clientCA, "client-ca", "", "CA of client certificates (PEM)")
	flag.BoolVar(&o.requireClientCert, "require-client-cert", false, "refuse TLS clients without a certificate of -client-ca")
	flag.StringVar(&o.log, "log", "warn", "log level")
	flag.BoolVar(&o.noInit, "no-init", false, "start uninitialised")
	flag.Parse()
	return o
}

func newCore(logger log.Logger) *vault.Core {
	storage, err := inmem.NewInmem(nil, logger.Named("inmem"))
	must(err)
	core, err := vault.NewCore(&vault.CoreConfig{
		Physical:           storage,
		AuditBackends:      map[string]audit.Factory{"file": audit.NewFileBackend},
		LogicalBackends:    backends[consts.PluginTypeSecrets],
		CredentialBackends: backends[consts.PluginTypeCredential],
		BuiltinRegistry:    registry{},
		DisableMlock:       true,
		Logger:             logger.Named("core"),
	})
	must(err)
	return core
}

// initialize makes one key share, unseals with it and makes the root token. Returns the share.
func initialize(core *vault.Core, token string) string {
	ctx := namespace.RootContext(context.Background())
	init, err := core.Initialize(ctx, &vault.InitParams{
		BarrierConfig: &vault.SealConfig{Type: "shamir", SecretShares: 1, SecretThreshold: 1},
	})
	must(err)
	share := init.SecretShares[0]
	ok, err := core.Unseal(append([]byte{}, share...)) // Unseal wipes what it is given
	must(err)
	if !ok {
		must(fmt.Errorf("not unsealed"))
	}
	resp, err := core.HandleRequest(ctx, &logical.Request{
		Operation: logical.UpdateOperation, ClientToken: init.RootToken, Path: "auth/token/create",
		Data: map[string]interface{}{"id": token, "policies": []string{"root"}, "no_parent": true, "no_default_policy": true},
	})
	must(err)
	if resp != nil && resp.IsError() {
		must(resp.Error())
	}
	return base64.StdEncoding.EncodeToString(share)
}

// Vault itself always requests a client certificate: auth/cert needs it.
func tlsConfig(o options) *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: tls.RequestClientCert}
	if o.clientCA == "" {
		return config
	}
	pem, err := os.ReadFile(o.clientCA)
	must(err)
	config.ClientCAs = x509.NewCertPool()
	config.ClientCAs.AppendCertsFromPEM(pem)
	if o.requireClientCert {
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return config
}

func serve(core *vault.Core, ln net.Listener, o options) {
	srv := &http.Server{Handler: vaulthttp.Handler.Handler(&vault.HandlerProperties{
		Core: core,
		ListenerConfig: &configutil.Listener{
			Address: ln.Addr().String(), TLSDisable: o.cert == "",
			MaxRequestSize: 32 << 20, MaxRequestDuration: 90 * time.Second,
		},
	})}
	if o.cert == "" {
		must(srv.Serve(ln))
		return
	}
	srv.TLSConfig = tlsConfig(o)
	must(srv.ServeTLS(ln, o.cert, o.key))
}

// waitForEnd returns on a signal, or when the pipe on standard input is closed.
func waitForEnd() {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGINT, syscall.SIGTERM)
	if info, err := os.Stdin.Stat(); err == nil && info.Mode()&os.ModeNamedPipe != 0 {
		go func() {
			io.Copy(io.Discard, os.Stdin)
			end <- syscall.SIGTERM
		}()
	}
	<-end
}

func main() {
	o := parseOptions()
	logger := log.New(&log.LoggerOptions{Level: log.LevelFromString(o.log), Output: os.Stderr})
	core := newCore(logger)
	ready := map[string]interface{}{"pid": os.Getpid()}
	if !o.noInit {
		ready["unseal_key"] = initialize(core, o.token)
		ready["token"] = o.token
	}
	ln, err := net.Listen("tcp", o.listen)
	must(err)
	scheme := "https"
	if o.cert == "" {
		scheme = "http"
	}
	ready["url"] = scheme + "://" + ln.Addr().String()
	go serve(core, ln, o)
	line, err := json.Marshal(ready)
	must(err)
	fmt.Println(string(line))
	waitForEnd()
	core.Shutdown()
}
