//! Logins, and the part of a URL they are bound to.

use base64ct::{Base64, Encoding};
use std::fmt;

/// A login for one registry. Its `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    Bearer(String),
    /// base64 of `user:password`.
    Basic(String),
}

impl Credential {
    /// The value of an `Authorization` header.
    pub fn header(&self) -> String {
        match self {
            Self::Bearer(token) => format!("Bearer {token}"),
            Self::Basic(login) => format!("Basic {login}"),
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bearer(_) => "Bearer(…)",
            Self::Basic(_) => "Basic(…)",
        })
    }
}

/// What the lines of one prefix say, and where the last of them stands.
#[derive(Default)]
pub(super) struct Fields {
    token: Option<String>,
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    place: (String, String),
}

impl Fields {
    /// `field` is what follows the prefix's `:`. Unknown ones (`email`, `certfile`) are passed over.
    pub(super) fn set(&mut self, field: &str, value: String, source: &str, key: &str) {
        let slot = match field {
            "_authToken" => &mut self.token,
            "_auth" => &mut self.auth,
            "username" => &mut self.username,
            "_password" => &mut self.password,
            _ => return,
        };
        let value = value.trim();
        *slot = (!value.is_empty()).then(|| value.to_string());
        self.place = (source.into(), key.into());
    }

    /// The login in npm's order: token, then `_auth`, then user and password.
    /// The error is the layer and key of an unusable one.
    pub(super) fn finish(self) -> Result<Option<Credential>, (String, String)> {
        // What would break out of a header line cannot be a credential.
        let printable = |s: &String| s.bytes().all(|b| (0x21..0x7f).contains(&b));
        match (self.token, self.auth, self.username, self.password) {
            (Some(token), ..) if printable(&token) => Ok(Some(Credential::Bearer(token))),
            (None, Some(auth), ..) if decode(&auth).is_some_and(|d| d.contains(&b':')) => {
                Ok(Some(Credential::Basic(auth)))
            }
            (None, None, Some(user), Some(password)) => match decode(&password) {
                Some(password) if !user.contains(':') => {
                    let mut login = user.into_bytes();
                    login.push(b':');
                    login.extend(password);
                    Ok(Some(Credential::Basic(Base64::encode_string(&login))))
                }
                _ => Err(self.place),
            },
            (None, None, None, None) => Ok(None),
            _ => Err(self.place),
        }
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    Base64::decode_vec(text).ok()
}

/// A prefix in the one spelling it is looked up by: `host[:port]/path/`, host in lower case.
pub(super) fn prefix(text: &str) -> String {
    let text = text.trim_start_matches('/');
    let (host, path) = text.split_once('/').unwrap_or((text, ""));
    let slash = if path.is_empty() || path.ends_with('/') { "" } else { "/" };
    format!("{}/{path}{slash}", host.to_ascii_lowercase())
}

/// Scheme, and `host[:port]/path` without user name, query and default port.
pub(super) fn host_and_path(url: &str) -> Option<(&'static str, String)> {
    let (scheme, rest) = url.split_once("://")?;
    let (scheme, port) = match scheme.to_ascii_lowercase().as_str() {
        "https" => ("https", ":443"),
        "http" => ("http", ":80"),
        _ => return None,
    };
    let rest = rest.split(['?', '#']).next().unwrap_or(rest);
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit('@').next().unwrap_or(authority).to_ascii_lowercase();
    let host = host.strip_suffix(port).unwrap_or(&host);
    // `..` could climb out of the prefix on the server's side.
    let climbs =
        path.split('/').any(|s| matches!(s.to_ascii_lowercase().as_str(), ".." | "%2e%2e" | ".%2e" | "%2e."));
    (!host.is_empty() && !climbs && !path.contains('\\')).then(|| (scheme, format!("{host}/{path}")))
}

/// A registry's URL without its user name and password, and these as a login.
/// `None`: not an http(s) URL.
pub(super) fn split_userinfo(url: &str) -> Option<(String, Option<Credential>)> {
    host_and_path(url)?;
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let Some((userinfo, host)) = rest[..end].rsplit_once('@') else { return Some((url.to_string(), None)) };
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let part = |s| crate::dependency::percent_decode(s).unwrap_or_else(|| String::from(s));
    let login = Base64::encode_string(format!("{}:{}", part(user), part(password)).as_bytes());
    Some((format!("{scheme}://{host}{}", &rest[end..]), Some(Credential::Basic(login))))
}
