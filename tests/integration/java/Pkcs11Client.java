// SPDX-License-Identifier: Apache-2.0

import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.Principal;
import java.security.PrivateKey;
import java.security.Provider;
import java.security.PublicKey;
import java.security.Security;
import java.security.Signature;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.MGF1ParameterSpec;
import java.security.spec.PSSParameterSpec;
import java.util.Arrays;
import java.util.Collections;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import javax.crypto.Cipher;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509KeyManager;

/**
 * A program of Java's own provider for PKCS#11: what a token's keys do, and what Java's other
 * providers, which know nothing of the token, think of it. Ends with a stack trace and 1 when
 * anything is not as it should be.
 *
 * <pre>
 * Pkcs11Client CONFIG aliases                            ALIAS key|secret|certificate, one a line
 * Pkcs11Client CONFIG sign ALIAS ALGORITHM MESSAGE OUT   files; verified before it is written
 * Pkcs11Client CONFIG decrypt ALIAS TEXT                 encrypted here; prints what comes back
 * Pkcs11Client CONFIG tls SERVER CLIENT CA               prints what each side saw
 * Pkcs11Client CONFIG call CALL [WORD]...                see Pkcs11Calls
 * </pre>
 *
 * The environment's PIN, where there is one, opens the key store.
 */
public final class Pkcs11Client {
    private static final int WAIT_MAX = 30; // seconds
    private static final byte[] GREETING = "hello".getBytes(StandardCharsets.US_ASCII);

    private final Provider provider;
    private final KeyStore store;

    private Pkcs11Client(String config) throws Exception {
        provider = Security.getProvider("SunPKCS11").configure(config);
        // Last: what names no provider gets Java's own, unless it comes with a key of the token.
        Security.addProvider(provider);
        store = KeyStore.getInstance("PKCS11", provider);
        String pin = System.getenv("PIN");
        store.load(null, pin == null ? null : pin.toCharArray());
    }

    public static void main(String[] args) throws Exception {
        Pkcs11Client client = new Pkcs11Client(args[0]);
        switch (args[1]) {
            case "aliases" -> client.aliases();
            case "sign" -> client.sign(args[2], args[3], Path.of(args[4]), Path.of(args[5]));
            case "decrypt" -> client.decrypt(args[2], args[3]);
            case "tls" -> client.tls(args[2], args[3], Path.of(args[4]));
            case "call" -> System.out.write(new Pkcs11Calls(client.provider, client.store).call(
                Arrays.copyOfRange(args, 2, args.length)));
            default -> throw new IllegalArgumentException(args[1]);
        }
        System.out.flush();
    }

    private void aliases() throws Exception {
        for (String alias : Collections.list(store.aliases())) {
            System.out.println(alias + " " + kind(alias));
        }
    }

    private String kind(String alias) throws Exception {
        if (store.isCertificateEntry(alias)) {
            return "certificate";
        }
        return store.entryInstanceOf(alias, KeyStore.SecretKeyEntry.class) ? "secret" : "key";
    }

    private PrivateKey privateKey(String alias) throws Exception {
        return (PrivateKey) store.getKey(alias, null);
    }

    private X509Certificate certificate(String alias) throws Exception {
        return (X509Certificate) store.getCertificate(alias);
    }

    private static void require(boolean condition, String what) {
        if (!condition) {
            throw new IllegalStateException(what);
        }
    }

    private static Signature signature(String algorithm, Provider provider) throws Exception {
        Signature signature = Signature.getInstance(algorithm, provider);
        if (algorithm.equals("RSASSA-PSS")) {
            signature.setParameter(
                new PSSParameterSpec("SHA-256", "MGF1", MGF1ParameterSpec.SHA256, 32, 1));
        }
        return signature;
    }

    private void sign(String alias, String algorithm, Path message, Path out) throws Exception {
        byte[] data = Files.readAllBytes(message);
        Signature signer = signature(algorithm, provider);
        signer.initSign(privateKey(alias));
        signer.update(data);
        byte[] signature = signer.sign();
        PublicKey key = certificate(alias).getPublicKey();
        String referee = key.getAlgorithm().equals("EC") ? "SunEC" : "SunRsaSign";
        Signature verifier = signature(algorithm, Security.getProvider(referee));
        verifier.initVerify(key);
        verifier.update(data);
        require(verifier.verify(signature), referee + " does not verify it");
        Files.write(out, signature);
    }

    private void decrypt(String alias, String text) throws Exception {
        Cipher sealing = Cipher.getInstance("RSA/ECB/PKCS1Padding", "SunJCE");
        sealing.init(Cipher.ENCRYPT_MODE, certificate(alias).getPublicKey());
        byte[] sealed = sealing.doFinal(text.getBytes(StandardCharsets.UTF_8));
        Cipher opening = Cipher.getInstance("RSA/ECB/PKCS1Padding", provider);
        opening.init(Cipher.DECRYPT_MODE, privateKey(alias));
        System.out.println(new String(opening.doFinal(sealed), StandardCharsets.UTF_8));
    }

    private void tls(String serverAlias, String clientAlias, Path ca) throws Exception {
        SSLContext serverSide = context(serverAlias, ca);
        SSLContext clientSide = context(clientAlias, ca);
        InetAddress local = InetAddress.getLoopbackAddress();
        try (SSLServerSocket listening = (SSLServerSocket) serverSide.getServerSocketFactory()
                .createServerSocket(0, 1, local)) {
            listening.setSoTimeout(WAIT_MAX * 1000);
            listening.setNeedClientAuth(true);
            FutureTask<Void> server = new FutureTask<>(() -> serve(listening));
            Thread thread = new Thread(server);
            thread.setDaemon(true); // a client that fails ends the program
            thread.start();
            try (Socket plain = new Socket(local, listening.getLocalPort());
                    SSLSocket socket = (SSLSocket) clientSide.getSocketFactory()
                        .createSocket(plain, serverAlias + ".test", plain.getPort(), true)) {
                greet(socket);
            }
            server.get(WAIT_MAX, TimeUnit.SECONDS);
        }
    }

    private SSLContext context(String alias, Path ca) throws Exception {
        KeyStore trusted = KeyStore.getInstance("PKCS12");
        trusted.load(null, null);
        try (var in = Files.newInputStream(ca)) {
            trusted.setCertificateEntry("ca",
                CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(trusted);
        SSLContext context = SSLContext.getInstance("TLSv1.3");
        context.init(new KeyManager[] {new OneKey(alias)}, trust.getTrustManagers(), null);
        return context;
    }

    private static Void serve(SSLServerSocket listening) throws Exception {
        try (SSLSocket socket = (SSLSocket) listening.accept()) {
            socket.setSoTimeout(WAIT_MAX * 1000);
            byte[] got = socket.getInputStream().readNBytes(GREETING.length);
            require(Arrays.equals(got, GREETING), "the server was not greeted");
            tell("server", socket);
            socket.getOutputStream().write(GREETING);
        }
        return null;
    }

    /** The answer to the greeting is also what says that the server liked our certificate. */
    private static void greet(SSLSocket socket) throws Exception {
        SSLParameters parameters = socket.getSSLParameters();
        parameters.setEndpointIdentificationAlgorithm("HTTPS");
        socket.setSSLParameters(parameters);
        socket.setSoTimeout(WAIT_MAX * 1000);
        socket.getOutputStream().write(GREETING);
        byte[] got = socket.getInputStream().readNBytes(GREETING.length);
        require(Arrays.equals(got, GREETING), "the client was not answered");
        tell("client", socket);
    }

    private static void tell(String side, SSLSocket socket) throws Exception {
        System.out.println(side + " " + socket.getSession().getProtocol() + " "
            + socket.getSession().getPeerPrincipal().getName());
    }

    /** Java's own key managers choose among all of a store's keys; this one has no choice. */
    private final class OneKey implements X509KeyManager {
        private final String alias;
        private final PrivateKey key;
        private final X509Certificate[] chain;

        OneKey(String alias) throws Exception {
            this.alias = alias;
            key = privateKey(alias);
            chain = new X509Certificate[] {certificate(alias)};
        }

        private String aliasIfOf(String... types) {
            return Arrays.asList(types).contains(key.getAlgorithm()) ? alias : null;
        }

        @Override
        public String chooseClientAlias(String[] types, Principal[] issuers, Socket socket) {
            return aliasIfOf(types);
        }

        @Override
        public String chooseServerAlias(String type, Principal[] issuers, Socket socket) {
            return aliasIfOf(type);
        }

        @Override
        public String[] getClientAliases(String type, Principal[] issuers) {
            return new String[] {alias};
        }

        @Override
        public String[] getServerAliases(String type, Principal[] issuers) {
            return new String[] {alias};
        }

        @Override
        public X509Certificate[] getCertificateChain(String alias) {
            return chain;
        }

        @Override
        public PrivateKey getPrivateKey(String alias) {
            return key;
        }
    }
}
