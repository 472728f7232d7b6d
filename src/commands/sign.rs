//! `generate-key`, `sign`, `verify`, `keyring list|add|remove`: publishers' keys and what they signed.
//!
//! A private key is read from a file or standard input, written to a file of mode 0600, and shown
//! nowhere. (The command line takes one as well, because the specification has it so.)

use super::mirror::shown;
use crate::cli::Invocation;
use crate::error::{Error, Result, Status};
use crate::import;
use crate::keyring::{self, Entry, Keyring, Signed};
use crate::project::packed::Gyp;
use crate::settings::Settings;
use crate::ui::Ui;
use mirror::archive::{Expect, Limits, Workspace};
use mirror::name::escape;
use mirror::record::Ecosystem;
use mirror::trust::{PublicKey, SecretKey};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Longest key, in whatever form.
const LIMIT: u64 = 4096;

fn error(status: Status, message: String, hint: &str) -> Box<Error> {
    let hints = if hint.is_empty() { Vec::new() } else { vec![hint.to_string()] };
    Box::new(Error::Other { status, message, hints })
}

/// The path that an option or argument names, from here.
fn path(settings: &Settings, given: Option<&Path>) -> Result<Option<PathBuf>> {
    given.map(|path| Ok(settings.working_directory()?.join(path))).transpose()
}

fn argument(invocation: &Invocation, at: usize) -> Option<&Path> {
    invocation.arguments.get(at).map(Path::new)
}

pub fn generate_key(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let file = match path(settings, invocation.path("output"))? {
        Some(file) => file,
        None => {
            let home = settings.home()?;
            mirror::file::make_dirs(&home)?;
            home.join("signing.key")
        }
    };
    if std::fs::symlink_metadata(&file).is_ok() {
        let message = format!("{} is there already", shown(&file));
        return Err(error(Status::Failed, message, "--output names another file for the new key"));
    }
    let key = SecretKey::generate()?;
    mirror::file::replace_private(&file, format!("{}\n", key.to_text()).as_bytes())?;
    let public = key.public();
    if ui.is_json() {
        ui.json(|o| {
            o.text("key_id", &public.id().to_string());
            o.text("public_key", &public.to_pem());
            o.text("file", &file.to_string_lossy());
        })?;
        return Ok(Status::Done);
    }
    ui.data(&public.to_pem())?;
    ui.success(&format!("The private key of {} is in {}", public.id(), shown(&file)));
    ui.hint("`pantry keyring add` takes what is printed, on the machines of those who are to trust it");
    Ok(Status::Done)
}

/// The private key that the command line names, in one way or another.
fn secret(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<SecretKey> {
    let no_key = |of: &str| {
        let message = format!("{of} holds no private key");
        error(
            Status::Failed,
            message,
            "a private key is 64 hexadecimal digits; `pantry generate-key` makes one",
        )
    };
    let file = invocation.path("key-file");
    if let Some(word) = invocation.arguments.get(1) {
        if file.is_some() {
            let message = "KEY and --key-file name two keys".into();
            return Err(Box::new(Error::Usage { message, hint: None }));
        }
        let key = word.to_str().and_then(SecretKey::parse);
        ui.warn("others on this machine can see a private key on the command line; --key-file reads it from a file");
        return key.ok_or_else(|| no_key("the second argument"));
    }
    if file == Some(Path::new("-")) {
        let mut text = String::new();
        let read = io::stdin().take(LIMIT).read_to_string(&mut text);
        read.map_err(Error::io("read", Path::new("standard input")))?;
        return SecretKey::parse(&text).ok_or_else(|| no_key("standard input"));
    }
    let file = match path(settings, file)? {
        Some(file) => file,
        None => settings.home()?.join("signing.key"),
    };
    SecretKey::read(&file)?.ok_or_else(|| no_key(&shown(&file)))
}

/// What package an archive is.
fn identity(bytes: &[u8]) -> std::result::Result<(Ecosystem, String, String), String> {
    let expect = Expect { manifests: true, ..Expect::default() };
    let mut gyp = Gyp(false);
    let read = Workspace::new().read(&mut &bytes[..], &expect, &Limits::default(), &mut gyp);
    let summary = read.map_err(|e| e.to_string())?;
    let imported = import::archive(&summary, gyp.0).map_err(|e| e.to_string())?;
    Ok((imported.key.ecosystem, imported.key.name, imported.record.version.to_string()))
}

pub fn sign(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let file = settings.working_directory()?.join(argument(invocation, 0).unwrap_or(Path::new("")));
    let key = secret(invocation, settings, ui)?;
    let bytes = keyring::bytes(&file)?;
    if bytes.starts_with(b"pantry-") {
        let message = format!("{} is a text that is signed in another way", shown(&file));
        return Err(error(Status::Failed, message, ""));
    }
    let of = identity(&bytes);
    if let Err(why) = &of {
        ui.note(&format!("only the bytes are signed, no name and version: {}", escape(why)));
    }
    let signed = Signed::new(&key, &bytes, of.ok(), mirror::time::now());
    let to = match path(settings, invocation.path("output"))? {
        Some(to) => to,
        None => beside(&file),
    };
    mirror::file::replace(&to, signed.to_text().as_bytes())?;
    if ui.is_json() {
        return report(&signed, &file, None, ui);
    }
    ui.success(&format!("Signed {} by {} in {}", said(&signed, &file), signed.key, shown(&to)));
    Ok(Status::Done)
}

/// Where the signature of a file is.
pub fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_os_string();
    name.push(".sig");
    name.into()
}

/// `left@1.0.0`, or the file.
fn said(signed: &Signed, file: &Path) -> String {
    match &signed.statement {
        Some((said, _)) => format!("{}@{}", escape(&said.name), escape(&said.version)),
        None => format!("the bytes of {}", shown(file)),
    }
}

fn report(signed: &Signed, file: &Path, by: Option<&Entry>, ui: &mut Ui) -> Result<Status> {
    ui.json(|o| {
        o.text("file", &file.to_string_lossy());
        o.text("key_id", &signed.key.to_string());
        if let Some(entry) = by {
            o.text("name", &entry.name);
        }
        if let Some((said, _)) = &signed.statement {
            o.text("package", &said.name);
            o.text("version", &said.version);
            o.text("integrity", &said.integrity.to_string());
        }
        o.text("date", &mirror::time::date(signed.timestamp));
    })?;
    Ok(Status::Done)
}

fn ring(invocation: &Invocation, settings: &Settings) -> Result<PathBuf> {
    let named = if invocation.offers("keyring") { invocation.path("keyring") } else { None };
    match path(settings, named)? {
        Some(file) => Ok(file),
        None => Ok(settings.home()?.join("keyring.json")),
    }
}

pub fn verify(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let file = settings.working_directory()?.join(argument(invocation, 0).unwrap_or(Path::new("")));
    let at = ring(invocation, settings)?;
    if invocation.has("keyring") && !at.exists() {
        // Named and not there: not the same as nobody being trusted.
        return Err(Error::io("read", &at)(io::ErrorKind::NotFound.into()));
    }
    let keys = Keyring::read(&at)?;
    let signature = path(settings, invocation.path("signature"))?.unwrap_or_else(|| beside(&file));
    let bytes = keyring::bytes(&file)?;
    if !signature.exists() {
        let message = format!("{} is not signed: there is no {}", shown(&file), shown(&signature));
        return Err(error(Status::Refused, message, "--signature names the signature's file"));
    }
    let signed = Signed::read(&signature)?;
    let Some(entry) = keys.find(signed.key) else {
        let message = format!("{} is signed by {}, which is not in {}", shown(&file), signed.key, shown(&at));
        return Err(error(
            Status::Refused,
            message,
            "`pantry keyring add KEY` trusts a key, once you know whose it is",
        ));
    };
    let mut outcome = signed.verify(entry, &bytes).map_err(str::to_string);
    // What is signed is what the archive says of itself, too.
    if let (Ok(()), Some((said, _))) = (&outcome, &signed.statement) {
        match identity(&bytes) {
            Ok(found) if found == (said.ecosystem, said.name.clone(), said.version.clone()) => {}
            Ok((_, name, version)) => outcome = Err(format!("it says of itself that it is {name}@{version}")),
            Err(e) => outcome = Err(e),
        }
    }
    if let Err(why) = outcome {
        return Err(error(Status::Refused, format!("{}: {}", shown(&file), escape(&why)), ""));
    }
    if ui.is_json() {
        return report(&signed, &file, Some(entry), ui);
    }
    let date = mirror::time::date(signed.timestamp);
    match &signed.statement {
        Some(_) => ui.success(&format!("{} is signed by {}, on {date}", said(&signed, &file), entry.shown())),
        None => ui.success(&format!(
            "{} are signed by {}; no name, version or date is",
            said(&signed, &file),
            entry.shown()
        )),
    }
    Ok(Status::Done)
}

pub fn list(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let keys = Keyring::read(&ring(invocation, settings)?)?;
    if ui.is_json() {
        ui.json(|o| {
            o.array("keys", |list| {
                for entry in &keys.0 {
                    list.object(|o| {
                        o.text("key_id", &entry.key.id().to_string());
                        o.text("name", &entry.name);
                        o.text("scope", &entry.scope);
                        o.text("public_key", &entry.key.to_pem());
                    });
                }
            });
        })?;
        return Ok(Status::Done);
    }
    for entry in &keys.0 {
        let scope =
            if entry.scope.is_empty() { String::new() } else { format!(" for {}", escape(&entry.scope)) };
        ui.line(&format!("{}{scope}", entry.shown()))?;
    }
    if keys.0.is_empty() {
        ui.note("no key is trusted");
    }
    Ok(Status::Done)
}

/// Changes the keyring; two at the same time do not lose each other's.
fn change(at: &Path, what: impl FnOnce(&mut Keyring) -> Result<()>) -> Result<()> {
    let home = at.parent().unwrap_or(at);
    mirror::file::make_dirs(home)?;
    let lock = home.join("trust");
    mirror::file::make_dirs(&lock)?;
    let lock = lock.join("LOCK");
    let _lock = mirror::lock::Lock::acquire(&lock, mirror::lock::Mode::Unsigned, &mut |_| {})?;
    let mut keys = Keyring::read(at)?;
    what(&mut keys)?;
    Ok(mirror::file::replace(at, keys.to_text().as_bytes())?)
}

pub fn add(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let word = invocation.argument_texts()?.first().copied().unwrap_or_default();
    let file = settings.working_directory()?.join(word);
    let text = if word.contains("-----BEGIN") || PublicKey::parse(word).is_some() {
        word.to_string()
    } else {
        String::from_utf8_lossy(&mirror::file::read(&file, LIMIT)?).into_owned()
    };
    let key = PublicKey::from_pem(&text).or_else(|| PublicKey::parse(text.trim()));
    let Some(key) = key else {
        let message = format!("{} holds no Ed25519 public key", escape(word));
        return Err(error(
            Status::Failed,
            message,
            "a public key is PEM (as `pantry generate-key` prints it) or base64",
        ));
    };
    let line = |name: &str| -> Result<String> {
        let text = invocation.text(name)?.unwrap_or_default();
        if text.chars().any(char::is_control) || text.contains("-----") {
            let message = format!("--{name} is one line of text");
            return Err(Box::new(Error::Usage { message, hint: None }));
        }
        Ok(text.to_string())
    };
    let entry = Entry { key, name: line("name")?, scope: line("scope")? };
    let shown = entry.shown();
    change(&ring(invocation, settings)?, |keys| {
        keys.add(entry);
        Ok(())
    })?;
    ui.success(&format!("The key {shown} is trusted"));
    Ok(Status::Done)
}

pub fn remove(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let word = invocation.argument_texts()?.first().copied().unwrap_or_default();
    change(&ring(invocation, settings)?, |keys| {
        let before = keys.0.len();
        keys.0.retain(|entry| entry.key.id().to_string() != word && entry.name != word);
        if keys.0.len() == before {
            let message = format!("no trusted key is called {}", escape(word));
            return Err(error(Status::Failed, message, "`pantry keyring list` shows ids and names"));
        }
        Ok(())
    })?;
    ui.success(&format!("{} is trusted no longer", escape(word)));
    Ok(Status::Done)
}
