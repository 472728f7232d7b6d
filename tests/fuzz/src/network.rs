//! What says where to connect, and with which secrets.

use super::{Fresh, line};
use mirror::http::{NoProxy, Url};
use pantry::cli::{self, Program};
use pantry::npmrc::{Content, Layer, Level, load};
use pantry::settings::{Environment, Settings};

/// Three lines: a URL, a `Location`, a `NO_PROXY` list.
pub fn url(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (first, rest) = line(text);
    let (location, no_proxy) = line(rest);
    let list = NoProxy::parse(no_proxy);
    let url = match Url::parse(first) {
        Ok(url) => url,
        Err(e) => return super::says(&e),
    };
    let plain = |u: &Url| {
        let shown = u.to_string();
        assert!(shown.bytes().all(|b| b.is_ascii_graphic()), "{shown:?}");
        assert!(
            u.path().starts_with('/') && !u.host().is_empty() && !u.host().contains(['@', '/', '?', '#'])
        );
        let again = Url::parse(&shown).unwrap_or_else(|e| panic!("{shown}: {e}"));
        assert_eq!(again, u.clone().without_userinfo());
        assert!(again.same_origin(u));
    };
    plain(&url);
    let root = Url::parse(&url.to_string()).expect("it was shown").with("").expect("no tail");
    assert!(root.same_origin(&url));
    match url.join(location) {
        Ok(to) => {
            plain(&to);
            // A login follows only where the location brings it itself.
            assert!(to.userinfo().is_none() || location.contains('@'));
            if to.is_under(&url) {
                assert!(to.same_origin(&url) && to.path().starts_with(url.path().trim_end_matches('/')));
            }
        }
        Err(e) => super::says(&e),
    }
    if let Ok(tail) = url.with(location) {
        plain(&tail);
        assert!(tail.same_origin(&url));
    }
    // Its own host is always in the list, whatever else is; nothing is in an empty one.
    let host = url.host();
    if !host.trim_matches('.').is_empty() {
        for own in [host.to_string(), format!("{host}:{}", url.port()), format!("{no_proxy},{host}")] {
            assert!(NoProxy::parse(&own).matches(&url), "{own:?} {url}");
        }
        if url.address().is_none() && !host.starts_with('.') && host.len() < 200 {
            let below = Url::parse(&format!("http://below.{host}/")).expect("a name");
            assert!(NoProxy::parse(host).matches(&below), "{below}");
            let beside = Url::parse(&format!("http://beside{host}/")).expect("a name");
            assert!(!NoProxy::parse(host).matches(&beside), "{beside}");
        }
    }
    assert!(!NoProxy::parse("").matches(&url) && NoProxy::parse("*").matches(&url));
    let twice = NoProxy::parse(&format!("{no_proxy},{no_proxy}"));
    assert_eq!(list.matches(&url), twice.matches(&url));
}

const SECRET: &str = "s3cr3t-of-the-environment";

/// The input is a file of the user, and then one of a project.
pub fn npmrc(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if text.contains(SECRET) {
        return;
    }
    let variable = |name: &str| (!name.starts_with('U')).then(|| SECRET.to_string());
    let layer = |level| [Layer { level, name: "file", content: Content::Text(text) }];
    let user = load(&layer(Level::User), &variable, false);
    let project = load(&layer(Level::Project), &variable, false);
    let allowed = load(&layer(Level::Project), &variable, true);
    for rc in [&user, &project, &allowed] {
        for warning in &rc.warnings {
            super::says(warning);
            assert!(!warning.key.contains(SECRET), "{}", warning.key);
        }
        for registry in rc.registries().chain(rc.registry()) {
            if let Ok(url) = Url::parse(registry)
                && let Some(credential) = rc.credential_for(registry)
            {
                let header = credential.header();
                assert!(header.bytes().all(|b| (b' '..0x7f).contains(&b)), "{header:?}");
                // It goes to the host that it was written for.
                let host = url.host().trim_start_matches('[');
                let written = text.to_lowercase();
                let expanded = text.contains("${") || text.contains('%') || text.contains('\\');
                assert!(written.contains(host) || expanded, "{host}");
            }
        }
        _ = (rc.cafile(), rc.ca(), rc.proxy(), rc.https_proxy(), rc.noproxy(), rc.strict_ssl(), rc.flag("x"));
    }
    // A project's file, not allowed, neither logs in anywhere nor reads the environment nor touches TLS.
    let host = |url: &str| project.credential_for(url).is_some();
    assert!(
        !project.registries().any(host)
            && !host("https://example.com/")
            && !host("http://registry.example.com/x/")
    );
    assert!(project.registries().chain(project.registry()).all(|r| !r.contains(SECRET)));
    assert!(project.strict_ssl() && project.cafile().is_none() && project.ca().is_empty());
    assert!(project.proxy().is_none() && project.https_proxy().is_none() && project.noproxy().is_none());
}

/// The input is `config.toml`.
pub fn config(data: &[u8]) {
    let home = Fresh::new("config");
    mirror::file::write_scratch(&home.0.join("config.toml"), data).expect("a file");
    let place = home.0.to_string_lossy().into_owned();
    let invocation = cli::parse(Program::Pantry, vec!["install".into()]).expect("a command");
    let environment = Environment::table(&[("PANTRY_HOME", &place), ("HOME", "/h")]);
    match Settings::resolve(&invocation, environment) {
        Ok(settings) => {
            assert!(settings.mirrors.iter().all(|m| m.is_absolute()));
            for n in [settings.metadata_at_a_time, settings.archives_at_a_time] {
                assert!((1..=1024).contains(&n));
            }
            assert!(!settings.download_timeout.is_zero());
            assert!(settings.certificates.cafile.is_none_or(|p| p.is_absolute()));
        }
        Err(e) => {
            super::says(&e);
            assert!(data.iter().any(|b| !b" \t\n".contains(b)), "an empty file is none");
        }
    }
}
