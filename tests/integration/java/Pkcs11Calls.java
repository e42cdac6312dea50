// SPDX-License-Identifier: Apache-2.0

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Key;
import java.security.KeyFactory;
import java.security.KeyPairGenerator;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Provider;
import java.security.SecureRandom;
import java.security.Signature;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.PKCS8EncodedKeySpec;
import javax.crypto.Cipher;
import javax.crypto.Mac;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.SecretKeySpec;

/** Calls of which the caller judges what comes back, on standard output: see ../operations.py. */
final class Pkcs11Calls {
    private final Provider provider;
    private final KeyStore store;

    Pkcs11Calls(Provider provider, KeyStore store) {
        this.provider = provider;
        this.store = store;
    }

    byte[] call(String[] words) throws Exception {
        byte[] data = System.in.readAllBytes();
        return switch (words[0]) {
            case "certificate" -> store.getCertificate(words[1]).getEncoded();
            case "gcm" -> gcm(data);
            case "cbc" -> cbc(key(0), data);
            case "hmac" -> hmac(data);
            case "wrap_rsa" -> wrapRsa(data);
            case "verify" -> verify(data);
            case "encrypt_rsa" -> encryptRsa(data);
            case "random" -> random(Integer.parseInt(words[1]));
            case "generate" -> generate(data);
            case "import" -> store(words[1], Path.of(words[2]), data);
            case "destroy" -> delete(words[1]);
            default -> throw new IllegalArgumentException(words[0]);
        };
    }

    private static SecretKeySpec key(int from) {
        byte[] value = new byte[32];
        for (int at = 0; at < value.length; at++) {
            value[at] = (byte) (from + at);
        }
        return new SecretKeySpec(value, "AES");
    }

    private byte[] gcm(byte[] data) throws Exception {
        Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding", provider);
        cipher.init(Cipher.ENCRYPT_MODE, key(0), new GCMParameterSpec(128, new byte[12]));
        cipher.updateAAD("aad".getBytes());
        return cipher.doFinal(data);
    }

    private byte[] cbc(Key key, byte[] data) throws Exception {
        Cipher cipher = Cipher.getInstance("AES/CBC/PKCS5Padding", provider);
        cipher.init(Cipher.ENCRYPT_MODE, key, new IvParameterSpec(new byte[16]));
        return cipher.doFinal(data);
    }

    private byte[] hmac(byte[] data) throws Exception {
        Mac mac = Mac.getInstance("HmacSHA256", provider);
        mac.init(key(32));
        return mac.doFinal(data);
    }

    private byte[] wrapRsa(byte[] data) throws Exception {
        Cipher cipher = Cipher.getInstance("RSA/ECB/PKCS1Padding", provider);
        cipher.init(Cipher.WRAP_MODE, store.getCertificate("rsa").getPublicKey());
        byte[] wrapped = cipher.wrap(key(0));
        cipher.init(Cipher.UNWRAP_MODE, store.getKey("rsa", null));
        return cbc(cipher.unwrap(wrapped, "AES", Cipher.SECRET_KEY), data);
    }

    /** The provider makes a signature and judges it, and that of other data. */
    private byte[] verify(byte[] data) throws Exception {
        Signature signer = Signature.getInstance("SHA256withRSA", provider);
        signer.initSign((PrivateKey) store.getKey("rsa", null));
        signer.update(data);
        byte[] signature = signer.sign();
        Signature verifier = Signature.getInstance("SHA256withRSA", provider);
        verifier.initVerify(store.getCertificate("rsa").getPublicKey());
        verifier.update(data);
        boolean good = verifier.verify(signature);
        verifier.update((byte) 0);
        return (good + " " + verifier.verify(signature)).getBytes();
    }

    private byte[] encryptRsa(byte[] data) throws Exception {
        Cipher cipher = Cipher.getInstance("RSA/ECB/PKCS1Padding", provider);
        cipher.init(Cipher.ENCRYPT_MODE, store.getCertificate("rsa").getPublicKey());
        byte[] sealed = cipher.doFinal(data);
        cipher.init(Cipher.DECRYPT_MODE, store.getKey("rsa", null));
        return cipher.doFinal(sealed);
    }

    private byte[] random(int size) throws Exception {
        byte[] drawn = new byte[size];
        SecureRandom.getInstance("PKCS11", provider).nextBytes(drawn);
        return drawn;
    }

    /** The public key, then a signature with the private one, which is of the session. */
    private byte[] generate(byte[] data) throws Exception {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("EC", provider);
        generator.initialize(new ECGenParameterSpec("secp256r1"));
        var pair = generator.generateKeyPair();
        Signature signer = Signature.getInstance("SHA256withECDSA", provider);
        signer.initSign(pair.getPrivate());
        signer.update(data);
        ByteArrayOutputStream both = new ByteArrayOutputStream();
        both.write(pair.getPublic().getEncoded());
        both.write(signer.sign());
        return both.toByteArray();
    }

    /** A private key and its certificate into the key store, as PKCS #8 and X.509 files have it. */
    private byte[] store(String alias, Path certificate, byte[] key) throws Exception {
        PrivateKey imported = KeyFactory.getInstance("EC").generatePrivate(
            new PKCS8EncodedKeySpec(key));
        Certificate beside = CertificateFactory.getInstance("X.509").generateCertificate(
            new ByteArrayInputStream(Files.readAllBytes(certificate)));
        store.setKeyEntry(alias, imported, null, new Certificate[] {beside});
        return new byte[0];
    }

    private byte[] delete(String alias) throws Exception {
        store.deleteEntry(alias);
        return new byte[0];
    }
}
