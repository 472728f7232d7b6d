//! Reading what others wrote without a schema, as npm does: a value of another
//! kind than its field has counts as not there. Bad syntax is an error still.

use super::{Error, Key, Kind, Scanner};
use std::borrow::Cow;

/// A string; `None` for anything else, which is passed over.
pub fn text<'a>(json: &mut Scanner<'a>) -> Result<Option<Cow<'a, str>>, Error> {
    match json.peek()? {
        Kind::String => json.string().map(Some),
        _ => json.skip().map(|_| None),
    }
}

/// Whether it is `true`.
pub fn truth(json: &mut Scanner<'_>) -> Result<bool, Error> {
    Ok(json.skip()? == "true")
}

/// A list's strings, also where one stands alone.
pub fn texts(json: &mut Scanner<'_>) -> Result<Vec<String>, Error> {
    let mut out = Vec::new();
    if json.peek()? != Kind::Array {
        out.extend(text(json)?.map(Cow::into_owned));
        return Ok(out);
    }
    json.array()?;
    while json.element()? {
        out.extend(text(json)?.map(Cow::into_owned));
    }
    Ok(out)
}

/// Calls for each member of an object, which has to read the value; never for anything else.
pub fn members<'a, E: From<Error>>(
    json: &mut Scanner<'a>,
    mut member: impl FnMut(&mut Scanner<'a>, Key<'a>) -> Result<(), E>,
) -> Result<(), E> {
    if json.peek()? != Kind::Object {
        json.skip()?;
        return Ok(());
    }
    json.object()?;
    while let Some(key) = json.key()? {
        member(json, key)?;
    }
    Ok(())
}
