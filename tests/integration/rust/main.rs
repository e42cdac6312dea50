// SPDX-License-Identifier: Apache-2.0

//! A Rust program that uses a PKCS#11 token through the cryptoki crate.
//!
//!     testclient MODULE TOKEN list | gcm
//!     testclient MODULE TOKEN sign | crowd LABEL MECHANISM < DATA > SIGNATURE
//!     testclient MODULE TOKEN decrypt LABEL MECHANISM < SEALED > TEXT
//!     testclient MODULE TOKEN call CALL [WORD]... < DATA > RESULT

mod call;

use std::env;
use std::error::Error;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::thread;

use cryptoki::context::{CInitializeArgs, Pkcs11};
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsOaepParams, PkcsOaepSource, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;

type Done<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn find_slot(module: &Pkcs11, label: &str) -> Done<Slot> {
    for slot in module.get_slots_with_initialized_token()? {
        if module.get_token_info(slot)?.label() == label {
            return Ok(slot);
        }
    }
    Err(format!("no token {label:?}").into())
}

fn open(module: &Pkcs11, label: &str) -> Done<Session> {
    log_in(module.open_ro_session(find_slot(module, label)?)?)
}

fn log_in(session: Session) -> Done<Session> {
    if let Ok(pin) = env::var("CLIENT_PIN") {
        session.login(UserType::User, Some(&AuthPin::new(pin)))?;
    }
    Ok(session)
}

fn find_private(session: &Session, label: &str) -> Done<ObjectHandle> {
    let template = [
        Attribute::Class(ObjectClass::PRIVATE_KEY),
        Attribute::Label(label.into()),
    ];
    let found = session.find_objects(&template)?;
    found
        .first()
        .copied()
        .ok_or_else(|| format!("no private key {label:?}").into())
}

fn mechanism(name: &str) -> Done<Mechanism<'static>> {
    Ok(match name {
        "ECDSA" => Mechanism::Ecdsa,
        "ECDSA-SHA256" => Mechanism::EcdsaSha256,
        "SHA256-RSA-PKCS" => Mechanism::Sha256RsaPkcs,
        "RSA-PKCS" => Mechanism::RsaPkcs,
        "EDDSA" => Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519)),
        "SHA256-RSA-PKCS-PSS" => Mechanism::Sha256RsaPkcsPss(PkcsPssParams {
            hash_alg: MechanismType::SHA256,
            mgf: PkcsMgfType::MGF1_SHA256,
            s_len: 32.into(),
        }),
        "RSA-PKCS-OAEP" => Mechanism::RsaPkcsOaep(PkcsOaepParams::new(
            MechanismType::SHA256,
            PkcsMgfType::MGF1_SHA256,
            PkcsOaepSource::empty(),
        )),
        "RSA-PKCS-OAEP-SHA1" => Mechanism::RsaPkcsOaep(PkcsOaepParams::new(
            MechanismType::SHA1,
            PkcsMgfType::MGF1_SHA1,
            PkcsOaepSource::empty(),
        )),
        _ => return Err(format!("no such mechanism: {name:?}").into()),
    })
}

/// Every object as CLASS LABEL ID.
fn list(session: &Session) -> Done<()> {
    let wanted = [
        AttributeType::Class,
        AttributeType::Label,
        AttributeType::Id,
    ];
    for object in session.find_objects(&[])? {
        let mut words = Vec::new();
        for attribute in session.get_attributes(object, &wanted)? {
            words.push(match attribute {
                Attribute::Class(class) => class.to_string(),
                Attribute::Label(label) => String::from_utf8(label)?,
                Attribute::Id(id) => id.iter().map(|byte| format!("{byte:02x}")).collect(),
                other => return Err(format!("unasked for: {other:?}").into()),
            });
        }
        println!("{}", words.join(" "));
    }
    Ok(())
}

fn session_key(session: &Session) -> Done<ObjectHandle> {
    let template = [
        Attribute::Token(false),
        Attribute::KeyType(KeyType::AES),
        Attribute::ValueLen(32.into()),
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
    ];
    Ok(session.generate_key(&Mechanism::AesKeyGen, &template)?)
}

/// A key of this session seals, opens, and refuses what was changed.
fn gcm(session: &Session) -> Done<()> {
    let key = session_key(session)?;
    let text = b"a message that a Rust program seals";
    let mut nonces = [[0u8; 12]; 3];
    let [first, second, third] = &mut nonces;
    let mut sealed = session.encrypt(
        &Mechanism::AesGcm(GcmParams::new(first, b"beside", 128.into())?),
        key,
        text,
    )?;
    let opened = session.decrypt(
        &Mechanism::AesGcm(GcmParams::new(second, b"beside", 128.into())?),
        key,
        &sealed,
    )?;
    sealed[0] ^= 1;
    let changed = session.decrypt(
        &Mechanism::AesGcm(GcmParams::new(third, b"beside", 128.into())?),
        key,
        &sealed,
    );
    session.destroy_object(key)?;
    if opened != text || changed.is_ok() {
        return Err("GCM opened another text".into());
    }
    Ok(())
}

/// Many threads with a session each; the signatures of a deterministic mechanism are all the same.
fn crowd(module: Pkcs11, token: String, words: [String; 2], data: Vec<u8>) -> Done<Vec<u8>> {
    let _logged_in = open(&module, &token)?; // for every session, as long as it is there
    let shared = Arc::new((module, token, words, data));
    let threads: Vec<_> = (0..16)
        .map(|_| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (module, token, [label, name], data) = &*shared;
                let session = module.open_ro_session(find_slot(module, token)?)?;
                let key = find_private(&session, label)?;
                let signed = (0..10).map(|_| Ok(session.sign(&mechanism(name)?, key, data)?));
                signed.collect::<Done<Vec<_>>>()
            })
        })
        .collect();
    let mut all = Vec::new();
    for thread in threads {
        all.extend(thread.join().map_err(|_| "a thread panicked")??);
    }
    all.dedup();
    match <[Vec<u8>; 1]>::try_from(all) {
        Ok([signature]) => Ok(signature),
        Err(several) => Err(format!("{} different signatures", several.len()).into()),
    }
}

fn run(args: &[String]) -> Done<()> {
    let [path, token, command, words @ ..] = args else {
        return Err("usage: testclient MODULE TOKEN COMMAND [LABEL MECHANISM]".into());
    };
    let module = Pkcs11::new(path)?;
    module.initialize(CInitializeArgs::OsThreads)?;
    match (command.as_str(), words) {
        ("list", []) => return list(&open(&module, token)?),
        ("gcm", []) => return gcm(&open(&module, token)?),
        _ => {}
    }
    let mut data = Vec::new();
    io::stdin().read_to_end(&mut data)?;
    if command == "call" {
        let session = log_in(module.open_rw_session(find_slot(&module, token)?)?)?;
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        return Ok(io::stdout().write_all(&call::call(&session, &words, &data)?)?);
    }
    let [label, name] = words else {
        return Err(format!("not to be had: {command} {words:?}").into());
    };
    if command == "crowd" {
        let words = [label.clone(), name.clone()];
        return Ok(io::stdout().write_all(&crowd(module, token.clone(), words, data)?)?);
    }
    let session = open(&module, token)?;
    let key = find_private(&session, label)?;
    let result = match command.as_str() {
        "sign" => session.sign(&mechanism(name)?, key, &data)?,
        "decrypt" => session.decrypt(&mechanism(name)?, key, &data)?,
        _ => return Err(format!("no such command: {command:?}").into()),
    };
    Ok(io::stdout().write_all(&result)?)
}

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    if let Err(error) = run(&args) {
        let code = match error.downcast_ref() {
            Some(cryptoki::error::Error::Pkcs11(code, _)) => format!(" ({code:?})"),
            _ => String::new(),
        };
        eprintln!("testclient: {error}{code}");
        std::process::exit(1);
    }
}
