//! Values as npm-package-arg reads them, in its order: path, alias, git host
//! shorthand, URL, path again, range or tag.

use super::{LocalForm, Problem, Reference, Source, git_url, http_url, range_or_tag, word};
use mirror::name::PackageName;

/// The source that `value` means beside the name `alias` in package.json.
pub(super) fn parse(alias: &PackageName, value: &str) -> Result<Source, Problem> {
    let value = value.trim();
    let lower = value.get(..12).unwrap_or(value).to_ascii_lowercase();
    if let Some(path) = prefix(value, &lower, "file:") {
        return local(path, None);
    }
    if let Some(path) = prefix(value, &lower, "link:") {
        return local(path, Some(LocalForm::Link));
    }
    if let Some(range) = prefix(value, &lower, "workspace:") {
        return Ok(Source::Workspace { range: range.trim().into() });
    }
    if let Some(name) = prefix(value, &lower, "catalog:") {
        let name = name.trim();
        return Ok(Source::Catalog { name: if name.is_empty() { "default" } else { name }.into() });
    }
    if is_path(value) {
        return local(value, None);
    }
    if let Some(rest) = prefix(value, &lower, "npm:") {
        return of_alias(rest);
    }
    if let Some(source) = hosted(value, &lower)? {
        return Ok(source);
    }
    if let Some(source) = url(value, &lower)? {
        return Ok(source);
    }
    if value.contains('/') || is_archive(value) {
        return local(value, None);
    }
    Ok(Source::Npm { name: alias.clone(), range: range_or_tag(value)?, registry: None })
}

/// What follows `scheme` in `value`, whose first bytes in lower case are `lower`.
fn prefix<'a>(value: &'a str, lower: &str, scheme: &str) -> Option<&'a str> {
    lower.starts_with(scheme).then(|| &value[scheme.len()..])
}

/// `name@range` behind `npm:`.
fn of_alias(rest: &str) -> Result<Source, Problem> {
    if rest.get(..4).is_some_and(|s| s.eq_ignore_ascii_case("npm:")) {
        return Err(Problem::NestedAlias(rest.into()));
    }
    let (name, range) = match rest.get(1..).and_then(|r| r.find('@')) {
        Some(at) => (&rest[..at + 1], &rest[at + 2..]),
        None => (rest, ""),
    };
    let name = PackageName::parse(name)?;
    if range.contains([':', '/']) || is_archive(range) {
        return Err(Problem::AliasOf(rest.into()));
    }
    Ok(Source::Npm { name, range: range_or_tag(range)?, registry: None })
}

fn local(path: &str, form: Option<LocalForm>) -> Result<Source, Problem> {
    // `file:///a`, `file://a` and `file:/a` are all written for the same thing.
    let path = match path.strip_prefix("//") {
        Some(rest) if rest.starts_with('/') => rest,
        Some(_) => &path[1..],
        None => path,
    };
    if path.is_empty() || path.contains(|c: char| c.is_control()) {
        return Err(Problem::Path(path.into()));
    }
    let form = form.unwrap_or(if is_archive(path) { LocalForm::Archive } else { LocalForm::Folder });
    Ok(Source::Local { path: path.into(), form })
}

/// `./x`, `../x`, `.x`, `/x`, `~/x`, `C:…`.
fn is_path(value: &str) -> bool {
    let b = value.as_bytes();
    value.starts_with(['.', '/'])
        || value.starts_with("~/")
        || (b.len() > 1 && b[0].is_ascii_alphabetic() && b[1] == b':')
}

/// Whether a path is an archive's.
pub fn is_archive(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    [".tgz", ".tar.gz", ".tar"].iter().any(|e| lower.ends_with(e))
}

/// `#…` behind a repository.
fn reference(fragment: Option<&str>) -> Result<Reference, Problem> {
    match fragment {
        None | Some("") => Ok(Reference::Default),
        Some(f) => match f.strip_prefix("semver:") {
            // As in a URL, where a range's characters are often escaped.
            Some(range) => {
                Ok(Reference::Range(range_or_tag(&decode(range).ok_or(Problem::Word(f.into()))?)?))
            }
            None => Ok(Reference::Committish(word(f)?)),
        },
    }
}

/// Percent-decoding; `None` for bad escapes.
pub(crate) fn decode(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.into());
    }
    let (bytes, mut out, mut i) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while i < bytes.len() {
        if bytes[i] == b'%' {
            let digit = |at: usize| bytes.get(at).and_then(|&b| char::from(b).to_digit(16));
            out.push(u8::try_from(digit(i + 1)? << 4 | digit(i + 2)?).ok()?);
            i += 3;
        } else {
            out.push(bytes[i]);
            i += 1;
        }
    }
    String::from_utf8(out).ok()
}

/// `owner/repo`, `github:owner/repo`, and the other hosts' shorthands.
fn hosted(value: &str, lower: &str) -> Result<Option<Source>, Problem> {
    let (place, fragment) = match value.split_once('#') {
        Some((p, f)) => (p, Some(f)),
        None => (value, None),
    };
    let short = if let Some(rest) = prefix(value, lower, "github:") {
        Some(rest.split('#').next().unwrap_or(rest))
    } else {
        let bare = !place.contains([':', '@', ' ', '\t'])
            && place.matches('/').count() == 1
            && !place.starts_with('/')
            && !place.ends_with('/');
        bare.then_some(place)
    };
    if let Some(name) = short {
        // npm trims a user name in front of a shorthand.
        let name = name.rsplit('@').next().unwrap_or(name);
        let (owner, repo) = super::repository(name)?;
        let reference = reference(fragment)?;
        return Ok(Some(Source::Github { owner, repo, version: "latest".into(), reference }));
    }
    for (scheme, host) in
        [("gitlab:", "gitlab.com"), ("bitbucket:", "bitbucket.org"), ("gist:", "gist.github.com")]
    {
        if let Some(rest) = prefix(value, lower, scheme) {
            let path = rest.split('#').next().unwrap_or(rest);
            let url = git_url(&format!("https://{host}/{}.git", path.trim_end_matches(".git")))?;
            return Ok(Some(Source::Git { url, version: "latest".into(), reference: reference(fragment)? }));
        }
    }
    Ok(None)
}

fn url(value: &str, lower: &str) -> Result<Option<Source>, Problem> {
    let (place, fragment) = match value.split_once('#') {
        Some((p, f)) => (p, Some(f)),
        None => (value, None),
    };
    let git = |url: &str| {
        Ok(Some(Source::Git {
            url: git_url(url)?,
            version: "latest".into(),
            reference: reference(fragment)?,
        }))
    };
    if let Some(rest) = prefix(place, lower, "git+ssh://") {
        // `git+ssh://user@host:path` is no URL: what follows the colon is a
        // path, unless it is a port.
        let scp = rest.split_once(':').is_some_and(|(user, path)| {
            !user.contains('/') && !path.split('/').next().unwrap_or("").bytes().all(|b| b.is_ascii_digit())
        });
        return if scp { git(rest) } else { git(&place[4..]) };
    }
    if lower.starts_with("git+") {
        return git(&place[4..]);
    }
    if lower.starts_with("git://") || lower.starts_with("ssh://") {
        return git(place);
    }
    if lower.starts_with("http://") || lower.starts_with("https://") {
        // npm takes a repository of the well-known hosts for what it is.
        let path = place.split_once("://").and_then(|(_, r)| r.split_once('/'));
        return match path {
            Some(("github.com" | "www.github.com", path))
                if path.trim_end_matches('/').matches('/').count() == 1 =>
            {
                let (owner, repo) = super::repository(path.trim_end_matches('/'))?;
                Ok(Some(Source::Github {
                    owner,
                    repo,
                    version: "latest".into(),
                    reference: reference(fragment)?,
                }))
            }
            _ if place.ends_with(".git") => git(place),
            _ => Ok(Some(Source::Http { url: http_url(value)?, version: "latest".into() })),
        };
    }
    // `user@host.tld:path`, as ssh and git write it.
    if let Some((host, path)) = place.split_once(':') {
        let scheme = host.bytes().all(|b| b.is_ascii_alphabetic() || b == b'+');
        if !scheme && host.contains('@') && host.contains('.') && !path.is_empty() {
            return git(place);
        }
        if scheme {
            return Err(Problem::Scheme(host.into()));
        }
    }
    Ok(None)
}
