use super::*;
use crate::cli::Program;
use std::path::Path;

fn resolve(words: &str, variables: &[(&str, &str)]) -> Result<Settings> {
    let words = words.split_whitespace().map(Into::into).collect();
    let invocation = crate::cli::parse(Program::Pantry, words).unwrap();
    Settings::resolve(&invocation, Environment::table(variables))
}

#[test]
fn defaults() {
    let settings = resolve("install", &[]).unwrap();
    assert_eq!((settings.offline, settings.prefer_offline, settings.no_cache), (None, false, false));
    assert_eq!((settings.metadata_at_a_time, settings.archives_at_a_time), (48, 16));
    assert_eq!(settings.cache_ttl, Duration::from_secs(3600));
    assert_eq!(settings.download_timeout, Duration::from_secs(30));
    assert_eq!((settings.proxies, settings.certificates), (Proxies::default(), Certificates::default()));
    assert!(settings.mirrors.is_empty() && settings.warnings.is_empty());
    assert_eq!(settings.logger, Logger::default());
}

#[test]
fn flags_go_before_variables() {
    let both = [("PANTRY_MIRROR", "/a:/b::"), ("PANTRY_OFFLINE", "1")];
    let settings = resolve("install", &both).unwrap();
    assert_eq!(settings.mirrors, [PathBuf::from("/a"), "/b".into()]);
    assert_eq!(settings.offline, Some(Offline::Variable));
    let settings = resolve("install --mirror /c --offline --mirror d", &both).unwrap();
    assert_eq!(settings.mirrors, [PathBuf::from("/c"), "d".into()]);
    assert_eq!(settings.offline, Some(Offline::Flag));
}

#[test]
fn variables_of_the_specification() {
    let settings = resolve(
        "install",
        &[
            ("PANTRY_CONCURRENCY", "8"),
            ("PANTRY_CACHE_TTL", "7200"),
            ("PANTRY_NO_CACHE", "1"),
            ("PANTRY_DOWNLOAD_TIMEOUT", "5000"),
            ("PANTRY_DNS_RESOLVER", "1.1.1.1"),
            ("PANTRY_LOG", "cache, install,network"),
            ("PANTRY_LOG_LEVEL", "trace"),
            ("PANTRY_ALLOCATOR", "jemalloc"),
            ("HTTP_PROXY", "http://upper.example.com"),
            ("http_proxy", "http://lower.example.com"),
            ("NO_PROXY", "localhost,.local"),
        ],
    )
    .unwrap();
    assert_eq!((settings.metadata_at_a_time, settings.archives_at_a_time), (8, 8));
    assert_eq!(settings.cache_ttl, Duration::from_secs(7200));
    assert!(settings.no_cache);
    assert_eq!(settings.download_timeout, Duration::from_millis(5000));
    assert_eq!(settings.name_server, Some("1.1.1.1:53".parse().unwrap()));
    assert!(settings.logger.wants(Level::Trace, Subsystem::Network));
    assert!(!settings.logger.wants(Level::Error, Subsystem::Resolve));
    assert_eq!(settings.warnings.len(), 1);
    assert_eq!(settings.proxies.http.as_deref(), Some("http://lower.example.com"));
    assert_eq!(settings.proxies.none_for.as_deref(), Some("localhost,.local"));
    let archives = resolve("install", &[("PANTRY_MAX_CONCURRENT", "3")]).unwrap();
    assert_eq!((archives.metadata_at_a_time, archives.archives_at_a_time), (48, 3));
}

#[test]
fn a_value_that_cannot_be_used_is_named() {
    for (name, value) in [
        ("PANTRY_OFFLINE", "maybe"),
        ("PANTRY_CONCURRENCY", "0"),
        ("PANTRY_CONCURRENCY", "-1"),
        ("PANTRY_MAX_CONCURRENT", "100000"),
        ("PANTRY_CACHE_TTL", "1h"),
        ("PANTRY_NO_CACHE", "2"),
        ("PANTRY_DOWNLOAD_TIMEOUT", "0"),
        ("PANTRY_DNS_RESOLVER", "one.one.one.one"),
        ("PANTRY_LOG", "cache,everything"),
        ("PANTRY_LOG_LEVEL", "loud"),
        ("PANTRY_ALLOW_PROJECT_AUTH", "ok"),
    ] {
        let error = resolve("install", &[(name, value)]).unwrap_err();
        let text = error.to_string();
        let named = value.rsplit(',').next().unwrap();
        assert!(text.starts_with(name) && text.contains(&format!("`{named}`")), "{text}");
        assert_eq!(error.status().code(), 2);
    }
}

#[test]
fn an_empty_variable_is_an_unset_one() {
    let empty = ["PANTRY_OFFLINE", "PANTRY_MIRROR", "PANTRY_CONCURRENCY", "PANTRY_LOG", "PANTRY_HOME", "MZ"]
        .map(|name| (name, ""));
    let settings = resolve("install", &empty).unwrap();
    assert_eq!((settings.offline, settings.mirrors.len(), settings.compiler.is_none()), (None, 0, true));
}

#[test]
fn where_the_user_lives() {
    let settings = resolve("install", &[("HOME", "/h/u")]).unwrap();
    assert_eq!(settings.home_mirror().unwrap(), Path::new("/h/u/.pantry/mirror"));
    assert_eq!(settings.mzp_home().unwrap(), Path::new("/h/u/.mzp"));
    let settings = resolve("install", &[("HOME", "/h/u"), ("PANTRY_HOME", "/p")]).unwrap();
    assert_eq!(settings.store().unwrap(), Path::new("/p/store"));
    assert!(matches!(*resolve("install", &[]).unwrap().home().unwrap_err(), Error::NoHome));
    let relative = resolve("install", &[("PANTRY_HOME", "p")]).unwrap().home().unwrap();
    assert!(relative.is_absolute() && relative.ends_with("p"));
}

#[test]
fn npm_variables() {
    let settings = resolve(
        "install",
        &[
            ("npm_config_registry", "http://127.0.0.1:1/"),
            ("NPM_CONFIG_STRICT_SSL", "false"),
            ("npm_config__auth", "x"),
            ("npm_config_//127.0.0.1:1/:_authToken", "t"),
            ("npm_config_", "y"),
            ("npm_lifecycle_event", "z"),
        ],
    )
    .unwrap();
    let found = settings.npm_config();
    let found: Vec<_> = found.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(
        found,
        [
            ("//127.0.0.1:1/:_authToken", "t"),
            ("_auth", "x"),
            ("registry", "http://127.0.0.1:1/"),
            ("strict-ssl", "false")
        ]
    );
}

/// Help and man list what is read here, and nothing else.
#[test]
fn every_variable_is_documented() {
    let documented: Vec<&str> =
        crate::cli::table::variables::VARIABLES.iter().flat_map(|row| row.names.split(", ")).collect();
    let source = [include_str!("../settings.rs"), include_str!("../ui/style.rs")]
        .join("\n")
        .replace("USERPROFILE", "");
    let read: Vec<&str> = source
        .split('"')
        .skip(1)
        .step_by(2)
        // What ends with `_` begins names of somebody else's.
        .filter(|word| {
            word.len() > 1
                && !word.ends_with('_')
                && word.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
        })
        .collect();
    for name in &read {
        assert!(documented.contains(name), "{name} is read and not documented");
    }
    let proxies = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "npm_config_*", "MINZ_*"];
    for name in documented {
        assert!(read.contains(&name) || proxies.contains(&name), "{name} is documented and not read");
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a test makes its files")]
fn the_users_file_goes_before_defaults_only() {
    let home = tempfile::tempdir().unwrap();
    let text = "mirrors = ['/f']\noffline = true\nconcurrency = 4\nlinker = 'store'\nregistry = 'http://127.0.0.1:1/'";
    std::fs::write(home.path().join("config.toml"), text).unwrap();
    let at = home.path().to_str().unwrap();
    let settings = resolve("install", &[("PANTRY_HOME", at)]).unwrap();
    assert_eq!((settings.offline, &*settings.mirrors), (Some(Offline::File), &[PathBuf::from("/f")][..]));
    assert_eq!((settings.metadata_at_a_time, settings.archives_at_a_time), (4, 4));
    assert_eq!((settings.linker, settings.registry), (Some(Linker::Store), None));
    assert_eq!(settings.default_registry.as_deref(), Some("http://127.0.0.1:1/"));
    let variables = [("PANTRY_HOME", at), ("PANTRY_MIRROR", "/v"), ("PANTRY_CONCURRENCY", "5")];
    let settings = resolve("install --linker isolated", &variables).unwrap();
    assert_eq!((settings.linker, settings.metadata_at_a_time), (Some(Linker::Isolated), 5));
    assert_eq!(settings.mirrors, [PathBuf::from("/v")]);
    std::fs::write(home.path().join("config.toml"), "nonsense").unwrap();
    assert_eq!(resolve("install", &[("PANTRY_HOME", at)]).unwrap_err().status().code(), 2);
}

/// The first TOML example of a module's own documentation.
pub fn example(source: &str) -> String {
    let lines = source.lines().skip_while(|line| *line != "//! ```toml").skip(1);
    let lines = lines.take_while(|line| *line != "//! ```");
    lines.map(|line| line.trim_start_matches("//!").to_string() + "\n").collect()
}
