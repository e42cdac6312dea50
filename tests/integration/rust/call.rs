// SPDX-License-Identifier: Apache-2.0

//! Calls of which the caller judges what comes back: see ../operations.py.

use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;

use crate::{find_private, mechanism, Done};

const PRIME256V1: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const CBC: Mechanism = Mechanism::AesCbcPad([0; 16]);
const PART: usize = 1000;

fn key_value(from: u8) -> Vec<u8> {
    (from..from + 32).collect()
}

fn from_hex(text: &str) -> Done<Vec<u8>> {
    let pairs = (0..text.len()).step_by(2);
    pairs
        .map(|at| Ok(u8::from_str_radix(&text[at..at + 2], 16)?))
        .collect()
}

fn only(session: &Session, class: ObjectClass, attribute: Attribute) -> Done<ObjectHandle> {
    match session.find_objects(&[Attribute::Class(class), attribute])?[..] {
        [found] => Ok(found),
        _ => Err("not one such object".into()),
    }
}

fn find_public(session: &Session, label: &str) -> Done<ObjectHandle> {
    only(
        session,
        ObjectClass::PUBLIC_KEY,
        Attribute::Label(label.into()),
    )
}

fn bytes(session: &Session, object: ObjectHandle, kind: AttributeType) -> Done<Vec<u8>> {
    match session.get_attributes(object, &[kind])?.pop() {
        Some(Attribute::Label(value) | Attribute::Value(value) | Attribute::EcPoint(value)) => {
            Ok(value)
        }
        other => Err(format!("not to be had: {other:?}").into()),
    }
}

fn labels(session: &Session) -> Done<Vec<u8>> {
    let mut all = Vec::new();
    for key in session.find_objects(&[Attribute::Class(ObjectClass::PRIVATE_KEY)])? {
        all.extend(bytes(session, key, AttributeType::Label)?);
        all.push(b'\n');
    }
    Ok(all)
}

fn sign_in_parts(session: &Session, label: &str, name: &str, data: &[u8]) -> Done<Vec<u8>> {
    session.sign_init(&mechanism(name)?, find_private(session, label)?)?;
    for part in data.chunks(PART) {
        session.sign_update(part)?;
    }
    Ok(session.sign_final()?)
}

fn verify(session: &Session, words: &[&str; 3], data: &[u8]) -> Done<Vec<u8>> {
    let [label, name, signature] = words;
    let key = find_public(session, label)?;
    match session.verify(&mechanism(name)?, key, data, &from_hex(signature)?) {
        Ok(()) => Ok(b"good\n".to_vec()),
        Err(Error::Pkcs11(RvError::SignatureInvalid, _)) => Ok(b"bad\n".to_vec()),
        Err(error) => Err(error.into()),
    }
}

/// The template of a key of the session.
fn secret(kind: KeyType, uses: &[Attribute]) -> Vec<Attribute> {
    let mut template = vec![
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(kind),
        Attribute::Token(false),
        Attribute::Sensitive(false),
        Attribute::Extractable(true),
    ];
    template.extend_from_slice(uses);
    template
}

fn aes_template() -> Vec<Attribute> {
    let uses = [
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
        Attribute::Wrap(true),
        Attribute::Unwrap(true),
    ];
    secret(KeyType::AES, &uses)
}

fn create(session: &Session, mut template: Vec<Attribute>, from: u8) -> Done<ObjectHandle> {
    template.push(Attribute::Value(key_value(from)));
    Ok(session.create_object(&template)?)
}

fn gcm(session: &Session, data: &[u8]) -> Done<Vec<u8>> {
    let key = create(session, aes_template(), 0)?;
    let (mut first, mut second) = ([0; 12], [0; 12]);
    let sealing = GcmParams::new(&mut first, b"aad", 128.into())?;
    let sealed = session.encrypt(&Mechanism::AesGcm(sealing), key, data)?;
    let opening = GcmParams::new(&mut second, b"aad", 128.into())?;
    if session.decrypt(&Mechanism::AesGcm(opening), key, &sealed)? != data {
        return Err("another text was opened".into());
    }
    Ok(sealed)
}

fn cbc(session: &Session, data: &[u8]) -> Done<Vec<u8>> {
    let key = create(session, aes_template(), 0)?;
    let sealed = session.encrypt(&CBC, key, data)?;
    if session.decrypt(&CBC, key, &sealed)? != data {
        return Err("another text was opened".into());
    }
    Ok(sealed)
}

fn hmac(session: &Session, data: &[u8]) -> Done<Vec<u8>> {
    let template = secret(KeyType::GENERIC_SECRET, &[Attribute::Sign(true)]);
    let key = create(session, template, 32)?;
    Ok(session.sign(&Mechanism::Sha256Hmac, key, data)?)
}

/// The wrapped key, and what the key seals that comes out of it again.
fn wrap(
    session: &Session,
    how: &Mechanism,
    (wrapping, unwrapping): (ObjectHandle, ObjectHandle),
    data: &[u8],
) -> Done<(Vec<u8>, Vec<u8>)> {
    let key = create(session, aes_template(), 0)?;
    let wrapped = session.wrap_key(how, wrapping, key)?;
    let again = session.unwrap_key(how, unwrapping, &wrapped, &aes_template())?;
    let sealed = session.encrypt(&CBC, again, data)?;
    Ok((wrapped, sealed))
}

fn wrap_aes(session: &Session, data: &[u8]) -> Done<Vec<u8>> {
    let wrapping = create(session, aes_template(), 32)?;
    let (mut all, sealed) = wrap(session, &Mechanism::AesKeyWrap, (wrapping, wrapping), data)?;
    all.extend(sealed);
    Ok(all)
}

fn wrap_rsa(session: &Session, data: &[u8]) -> Done<Vec<u8>> {
    let pair = (find_public(session, "rsa")?, find_private(session, "rsa")?);
    Ok(wrap(session, &Mechanism::RsaPkcs, pair, data)?.1)
}

fn named(label: &str, id: &str) -> Done<Vec<Attribute>> {
    let mut template = vec![Attribute::Token(true), Attribute::Label(label.into())];
    if !id.is_empty() {
        template.push(Attribute::Id(from_hex(id)?));
    }
    Ok(template)
}

fn generate(session: &Session, label: &str, id: &str) -> Done<Vec<u8>> {
    let mut public = named(label, id)?;
    public.push(Attribute::EcParams(PRIME256V1.to_vec()));
    let mut private = named(label, id)?;
    private.push(Attribute::Sign(true));
    let (made, _) = session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private)?;
    bytes(session, made, AttributeType::EcPoint)
}

fn import(session: &Session, label: &str, id: &str, data: &[u8]) -> Done<Vec<u8>> {
    let mut template = named(label, id)?;
    template.extend([
        Attribute::Class(ObjectClass::PRIVATE_KEY),
        Attribute::KeyType(KeyType::EC),
        Attribute::EcParams(PRIME256V1.to_vec()),
        Attribute::Value(data.to_vec()),
        Attribute::Sign(true),
    ]);
    session.create_object(&template)?;
    Ok(Vec::new())
}

fn find(session: &Session, id: &str) -> Done<Vec<u8>> {
    let id = Attribute::Id(from_hex(id)?);
    let key = only(session, ObjectClass::PRIVATE_KEY, id)?;
    bytes(session, key, AttributeType::Label)
}

fn certificate(session: &Session, label: &str) -> Done<Vec<u8>> {
    let label = Attribute::Label(label.into());
    let found = only(session, ObjectClass::CERTIFICATE, label)?;
    bytes(session, found, AttributeType::Value)
}

fn destroy(session: &Session, label: &str) -> Done<Vec<u8>> {
    session.destroy_object(find_private(session, label)?)?;
    Ok(Vec::new())
}

/// What a call takes besides data, and what it returns.
pub fn call(session: &Session, words: &[&str], data: &[u8]) -> Done<Vec<u8>> {
    match *words {
        ["list"] => labels(session),
        ["find", id] => find(session, id),
        ["certificate", label] => certificate(session, label),
        ["sign", label, name] => {
            Ok(session.sign(&mechanism(name)?, find_private(session, label)?, data)?)
        }
        ["parts", label, name] => sign_in_parts(session, label, name, data),
        ["verify", label, name, signature] => verify(session, &[label, name, signature], data),
        ["decrypt", label, name] => {
            Ok(session.decrypt(&mechanism(name)?, find_private(session, label)?, data)?)
        }
        ["encrypt", label, name] => {
            Ok(session.encrypt(&mechanism(name)?, find_public(session, label)?, data)?)
        }
        ["gcm"] => gcm(session, data),
        ["cbc"] => cbc(session, data),
        ["hmac"] => hmac(session, data),
        ["wrap_aes"] => wrap_aes(session, data),
        ["wrap_rsa"] => wrap_rsa(session, data),
        ["generate", label, id] => generate(session, label, id),
        ["import", label, id] => import(session, label, id, data),
        ["destroy", label] => destroy(session, label),
        ["random", size] => Ok(session.generate_random_vec(size.parse()?)?),
        _ => Err(format!("no such call: {words:?}").into()),
    }
}
