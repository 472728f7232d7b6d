//! `pantry mirror key show|create|pin|unpin|rotate|tell [DIR]`: whose a mirror is, and whether this machine knows.

use super::{folder, shown, told, waiting};
use crate::cli::Invocation;
use crate::error::{Error, Result, Status};
use crate::settings::Settings;
use crate::ui::Ui;
use mirror::Mirror;
use mirror::name::escape;
use mirror::snapshot::MirrorId;
use mirror::trust::{How, Keys, Pin, PublicKey};
use std::path::Path;

/// Whatever it is: looking at its keys uses nothing of it.
fn open(dir: &Path, ui: &mut Ui) -> Result<Mirror> {
    let mirror = Mirror::open(dir)?;
    told(mirror, dir, ui)
}

pub fn show(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let dir = folder(invocation, settings, Some(0))?;
    let mirror = open(&dir, ui)?;
    let trust = &settings.trust;
    let (head, pin) = (mirror.head(), trust.pin(&mirror.id())?);
    let own: Vec<_> = trust.own()?.iter().map(|key| key.public()).collect();
    let known = pin.as_ref().map(|pin| pin.keys.clone());
    let pinned = known.is_some();
    let keys = mirror.keys(known)?;
    let all = keys.as_ref().map_or(&[][..], |keys| &keys.keys);
    let signed = head.is_signed_by(all);
    let label = &mirror.snapshot().label;
    if ui.is_json() {
        ui.json(|o| {
            o.text("mirror", &dir.to_string_lossy());
            o.text("id", &mirror.id().to_string());
            o.text("label", label);
            o.number("sequence", head.sequence);
            o.texts("signedBy", head.signatures.iter().map(|(id, _)| id.to_string()));
            o.truth("signed", signed);
            o.truth("pinned", pinned);
            o.number("version", keys.as_ref().map_or(0, |keys| keys.version));
            o.number("threshold", keys.as_ref().map_or(0, |keys| keys.threshold));
            o.array("keys", |list| {
                for key in all {
                    list.object(|o| {
                        o.text("id", &key.id().to_string());
                        o.text("key", &key.to_string());
                        o.truth("own", own.contains(key));
                    });
                }
            });
            o.texts("own", own.iter().map(ToString::to_string));
        })?;
        return Ok(Status::Done);
    }
    ui.line(&format!("mirror   {} \"{}\"", shown(&dir), escape(label)))?;
    ui.line(&format!("id       {}", mirror.id()))?;
    ui.line(&format!(
        "state    {}, {}",
        head.sequence,
        match (head.signatures.is_empty(), signed) {
            (true, _) => "not signed",
            (_, true) => "signed by its key",
            (_, false) => "signed by a key that is not its own",
        }
    ))?;
    if let Some(keys) = &keys {
        ui.line(&format!(
            "keys     version {}, {} of {} change them",
            keys.version,
            keys.threshold,
            all.len()
        ))?;
        for key in all {
            let whose = if own.contains(key) { " (this machine's)" } else { "" };
            ui.line(&format!("  {} {key}{whose}", key.id()))?;
        }
    }
    ui.line(&match &pin {
        None => "pinned   no".to_string(),
        Some(pin) => match pin.head {
            Some((sequence, ..)) => format!("pinned   yes, seen at state {sequence}"),
            None => "pinned   yes".to_string(),
        },
    })?;
    if let Some(key) = own.first() {
        ui.line(&format!("machine  {} {key}", key.id()))?;
    }
    Ok(Status::Done)
}

/// A mirror that was unsigned gets this machine's key, and a state that is signed with it.
pub fn create(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let dir = folder(invocation, settings, Some(0))?;
    let mirror = match settings.home_mirror().is_ok_and(|home| home == dir) {
        true => Mirror::open_or_init(&dir, "home")?,
        false => open(&dir, ui)?,
    };
    let trust = &settings.trust;
    if !mirror.snapshot().signatures.is_empty() {
        let own = trust.own()?;
        let is_own = |key: &PublicKey| own.iter().any(|own| own.public() == *key);
        // A run that was interrupted has signed it, and not remembered that.
        if trust.pin(&mirror.id())?.is_none()
            && mirror.keys(None)?.is_some_and(|keys| keys.keys.iter().any(is_own))
        {
            let pin = trust.adopt(&mirror, false)?;
            return report(&pin, &dir, "is signed from now on", ui);
        }
        return Err(failed(
            format!("{} has a key already", shown(&dir)),
            "`pantry mirror key` shows it, `pantry mirror key rotate` changes it",
        ));
    }
    let key = trust.machine_key()?;
    // One that a killed run put there is taken when it is this machine's.
    let keys = match mirror.keys(None)? {
        Some(keys) => keys,
        None => {
            let first = Keys::first(mirror.id(), &key, mirror::time::now());
            mirror.add_keys(&first, &mut waiting(ui))?;
            first
        }
    };
    let own = trust.own()?.into_iter().find(|own| keys.keys.contains(&own.public()));
    mirror.sign_with(vec![own.ok_or_else(|| mirror::Error::NoKey { path: dir.clone() })?]);
    mirror.sign_anew(&mut waiting(ui))?;
    let pin = trust.adopt(&mirror.refresh()?, false)?;
    report(&pin, &dir, "is signed from now on", ui)
}

pub fn pin(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let dir = folder(invocation, settings, Some(0))?;
    let mirror = open(&dir, ui)?;
    let pin = settings.trust.adopt(&mirror, invocation.has("accept-rollback"))?;
    report(&pin, &dir, "is pinned", ui)
}

fn report(pin: &Pin, dir: &Path, what: &str, ui: &mut Ui) -> Result<Status> {
    let ids = pin.keys.keys.iter().map(|key| key.id().to_string());
    if ui.is_json() {
        ui.json(|o| {
            o.text("mirror", &dir.to_string_lossy());
            o.text("id", &pin.keys.id.to_string());
            o.text("label", &pin.label);
            o.number("sequence", pin.head.map_or(0, |(sequence, ..)| sequence));
            o.texts("keys", ids);
        })?;
        return Ok(Status::Done);
    }
    let ids: Vec<String> = ids.collect();
    ui.success(&format!("{} {what}: key {}", shown(dir), ids.join(", ")));
    Ok(Status::Done)
}

/// A public key, in base64 or in a PEM file.
fn public(word: &str, settings: &Settings) -> Result<PublicKey> {
    let read = || -> Result<Option<PublicKey>> {
        let file = settings.working_directory()?.join(word);
        let text = mirror::file::read(&file, 4096)?;
        Ok(PublicKey::from_pem(&String::from_utf8_lossy(&text)))
    };
    let key = match PublicKey::parse(word) {
        Some(key) => Some(key),
        None => read()?,
    };
    key.ok_or_else(|| {
        failed(
            format!("{} is no Ed25519 public key", escape(word)),
            "`pantry mirror key show` prints this machine's",
        )
    })
}

fn failed(message: String, hint: &str) -> Box<Error> {
    Box::new(Error::Other { status: Status::Failed, message, hints: vec![hint.to_string()] })
}

/// Other keys, or another threshold, for a mirror. Without options what waits for signatures is signed;
/// where nothing waits, this machine's keys are replaced by a new one.
pub fn rotate(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let dir = folder(invocation, settings, Some(0))?;
    let mirror = open(&dir, ui)?;
    let trust = &settings.trust;
    trust.check(&mirror, How::Named)?;
    let known = trust.pin(&mirror.id())?.map(|pin| pin.keys);
    let Some(keys) = mirror.keys(known)? else {
        return Err(failed(format!("{} has no key", shown(&dir)), "`pantry mirror key create` gives it one"));
    };
    let mut own = trust.own()?;
    let (add, remove) = (invocation.texts("add")?, invocation.texts("remove")?);
    let threshold = invocation.number("threshold");
    let asked = !add.is_empty() || !remove.is_empty() || threshold.is_some();
    let mut next = match mirror.proposal(&keys)? {
        Some(waits) if !asked => waits,
        _ => Keys {
            version: keys.version + 1,
            date: mirror::time::now(),
            signatures: Vec::new(),
            ..keys.clone()
        },
    };
    if !own.iter().any(|own| keys.keys.contains(&own.public()) || next.keys.contains(&own.public())) {
        return Err(mirror::Error::NoKey { path: dir }.into());
    }
    let fresh = next.signatures.is_empty();
    if asked {
        for word in add {
            let key = public(word, settings)?;
            if next.keys.contains(&key) {
                let message = format!("{} is one of its keys already", key.id());
                return Err(failed(message, "`pantry mirror key show` lists them"));
            }
            next.keys.push(key);
        }
        for word in remove {
            let before = next.keys.len();
            next.keys.retain(|key| key.id().to_string() != word && key.to_string() != word);
            if next.keys.len() == before {
                let message = format!("{} is none of its keys", escape(word));
                return Err(failed(message, "`pantry mirror key show` lists them"));
            }
        }
        next.threshold = threshold.unwrap_or(next.threshold);
        if !(1..=next.keys.len() as u64).contains(&next.threshold) {
            let message = format!("{} signatures cannot be had of {} keys", next.threshold, next.keys.len());
            return Err(Box::new(Error::Usage { message, hint: None }));
        }
    } else if fresh {
        // A key of a run that did not get to its end, or of another mirror's rotation, will do.
        let new = match own.first() {
            Some(newest) if !keys.keys.contains(&newest.public()) => newest.clone(),
            _ => trust.new_key(own.len())?,
        };
        next.keys.retain(|key| !own.iter().any(|own| own.public() == *key));
        next.keys.push(new.public());
        own.push(new);
    }
    mirror::order::sort(&mut next.keys);
    own.retain(|own| keys.keys.contains(&own.public()) || next.keys.contains(&own.public()));
    own.iter().for_each(|own| next.sign(own));
    next.keys.iter().filter(|key| !keys.keys.contains(key)).for_each(|key| ui.added(&key.id().to_string()));
    keys.keys.iter().filter(|key| !next.keys.contains(key)).for_each(|key| ui.removed(&key.id().to_string()));
    let has = |list: &[PublicKey]| own.iter().any(|own| list.contains(&own.public()));
    if next.follows(&keys) && has(&keys.keys) && has(&next.keys) {
        mirror.sign_with(own);
        mirror.rotate(&next, &mut waiting(ui))?;
        let pin = trust.adopt(&mirror.refresh()?, false)?;
        return report(&pin, &dir, &format!("has version {} of its keys", next.version), ui);
    }
    mirror.propose(&next, &mut waiting(ui))?;
    if ui.is_json() {
        ui.json(|o| {
            o.text("mirror", &dir.to_string_lossy());
            o.number("version", next.version);
            o.truth("done", false);
            o.number("signatures", next.signatures.len() as u64);
        })?;
        return Ok(Status::Done);
    }
    ui.success(&format!(
        "Signed version {} of the keys of {}, which waits for others",
        next.version,
        shown(&dir)
    ));
    ui.hint(&match next.follows(&keys) {
        true => "`pantry mirror key rotate`, where there is a key of both versions, ends it".to_string(),
        false => format!(
            "`pantry mirror key rotate` signs it on another machine: {} of the keys before and {} of those afterwards have to",
            keys.threshold, next.threshold
        ),
    });
    Ok(Status::Done)
}

/// Word of how far this machine has seen mirrors is left on one: on command, since it leaves the machine.
pub fn tell(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let dir = folder(invocation, settings, Some(0))?;
    let mirror = open(&dir, ui)?;
    settings.trust.check(&mirror, How::Named)?;
    let heads = settings.trust.heads()?;
    let new = mirror.leave_heads(&heads, &mut waiting(ui))? as u64;
    if ui.is_json() {
        ui.json(|o| {
            o.text("mirror", &dir.to_string_lossy());
            o.number("known", heads.len() as u64);
            o.number("left", new);
        })?;
        return Ok(Status::Done);
    }
    ui.success(&format!("Left word of {} on {}", super::count(new, "mirror", "mirrors"), shown(&dir)));
    Ok(Status::Done)
}

/// A mirror's folder, its id or its label: the stick may be lost.
pub fn unpin(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let word = invocation.arguments.first().map(|word| word.to_string_lossy().into_owned());
    let id = match &word {
        Some(word) => match MirrorId::parse(word) {
            Some(id) => Some(id),
            None => {
                let mut pins = settings.trust.pins()?;
                pins.retain(|pin| pin.label == *word);
                // A label that two have names neither.
                if pins.len() == 1 { pins.pop().map(|pin| pin.keys.id) } else { None }
            }
        },
        None => None,
    };
    let dir = folder(invocation, settings, Some(0))?;
    let id = match id {
        Some(id) => id,
        None => open(&dir, ui)?.id(),
    };
    if !settings.trust.forget(&id)? {
        return Err(Box::new(Error::Other {
            status: Status::Failed,
            message: format!("the mirror {id} is not pinned"),
            hints: vec![],
        }));
    }
    ui.success(&format!("The mirror {id} is pinned no longer"));
    Ok(Status::Done)
}
