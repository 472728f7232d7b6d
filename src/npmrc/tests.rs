use super::*;
use base64ct::{Base64, Encoding};

fn environment(name: &str) -> Option<String> {
    match name {
        "TOKEN" => Some("t0ken".into()),
        "HOST" => Some("npm.example.com".into()),
        "NESTED" => Some("${TOKEN}".into()),
        _ => None,
    }
}

fn file(level: Level, text: &str) -> Layer<'_> {
    let name = match level {
        Level::Project => "project/.npmrc",
        _ => "~/.npmrc",
    };
    Layer { level, name, content: Content::Text(text) }
}

fn user(text: &str) -> Npmrc {
    load(&[file(Level::User, text)], &environment, false)
}

fn header(rc: &Npmrc, url: &str) -> Option<String> {
    rc.credential_for(url).map(Credential::header)
}

/// The grammar of npm's `ini`.
#[test]
fn grammar() {
    let text = "\u{feff}; comment\r\n  # comment\na=1\n b = two words \nc\nd=\"x # \\u00e9\"\ne='x ; y'\nf=a\\;b\\#c\\d # rest\n\
                g=x=y\nbad\"=\"open\n=nokey\nh[]=1\nh[]=2\ni = \n[section]\na=9\n";
    let found = ini::parse(text);
    let found: Vec<(&str, &str)> = found.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(
        found,
        [
            ("a", "1"),
            ("b", "two words"),
            ("c", "true"),
            ("d", "x # é"),
            ("e", "x ; y"),
            ("f", "a;b#c\\d"),
            ("g", "x=y"),
            ("bad\"", "\"open"),
            ("h[]", "1"),
            ("h[]", "2"),
            ("i", ""),
        ]
    );
}

#[test]
fn expansion() {
    for (text, expected, unset) in [
        ("${TOKEN}", "t0ken", false),
        ("a${TOKEN}b${HOST}c", "at0kenbnpm.example.comc", false),
        ("${NESTED}", "${TOKEN}", false),
        ("${MISSING}", "${MISSING}", true),
        ("${MISSING?}x", "x", false),
        ("${MISSING-y}", "y", false),
        ("${MISSING:-y}", "y", false),
        ("${TOKEN-y}", "t0ken", false),
        ("\\${TOKEN}", "${TOKEN}", false),
        ("\\\\${TOKEN}", "\\t0ken", false),
        ("${}", "${}", false),
        ("${TOKEN", "${TOKEN", false),
        ("${a${TOKEN}}", "${at0ken}", false),
        ("$TOKEN", "$TOKEN", false),
    ] {
        let found = ini::expand(text, &environment);
        assert_eq!((found.text.as_str(), found.unset), (expected, unset), "{text}");
    }
    assert!(ini::has_expansion("x${A}") && !ini::has_expansion("x\\${A}") && !ini::has_expansion("$A {A}"));
}

#[test]
fn layers_from_weak_to_strong() {
    let environment_pairs = vec![("registry".to_string(), "http://127.0.0.1:4873/".to_string())];
    let rc = load(
        &[
            file(Level::Global, "registry=https://global.example.com/\nca[]=one\nca[]=two\nnoproxy=a"),
            file(Level::User, "@corp:registry=https://${HOST}/\nca[]=three\nstrict-ssl=false\nproxy=null"),
            file(Level::Project, "@other:registry=https://other.example.com/\nsave-exact=true"),
            Layer {
                level: Level::Environment,
                name: "environment",
                content: Content::Pairs(&environment_pairs),
            },
        ],
        &environment,
        false,
    );
    assert_eq!(rc.registry(), Some("http://127.0.0.1:4873/"));
    let registry = |name: &str| rc.registry_for(&PackageName::parse(name).unwrap());
    assert_eq!(registry("@corp/x"), Some("https://npm.example.com/"));
    assert_eq!(registry("@other/x"), Some("https://other.example.com/"));
    assert_eq!(registry("react"), Some("http://127.0.0.1:4873/"));
    assert_eq!(rc.registries().count(), 3);
    assert_eq!(
        (rc.ca(), rc.noproxy(), rc.proxy(), rc.strict_ssl()),
        (vec!["three".into()], Some("a"), None, false)
    );
    assert_eq!((rc.flag("save-exact"), rc.get("missing")), (Some(true), None));
    assert!(rc.warnings.is_empty());
    assert_eq!(user("").registry(), None);
    assert!(user("").strict_ssl());
}

#[test]
fn a_credential_serves_its_own_prefix_only() {
    let password = Base64::encode_string(b"p:w");
    let auth = Base64::encode_string(b"me:pw");
    let rc = user(&format!(
        "registry=https://npm.example.com/\n//npm.example.com/:_authToken=${{TOKEN}}\n\
         //npm.example.com/private/:_auth={auth}\n//NPM.example.com:8443/team:username=u\n//npm.example.com:8443/team:_password={password}\n\
         //127.0.0.1:4873/:_authToken=local"
    ));
    assert_eq!(rc.warnings, []);
    let bearer = Some("Bearer t0ken".to_string());
    assert_eq!(header(&rc, "https://npm.example.com/react"), bearer);
    assert_eq!(header(&rc, "https://npm.example.com"), bearer);
    assert_eq!(header(&rc, "https://NPM.EXAMPLE.COM:443/react?x=/y/"), bearer);
    assert_eq!(header(&rc, "https://user@npm.example.com/react"), bearer);
    assert_eq!(header(&rc, "https://npm.example.com/private/x"), Some(format!("Basic {auth}")));
    assert_eq!(header(&rc, "https://npm.example.com/privateer"), bearer);
    let both = Some(format!("Basic {}", Base64::encode_string(b"u:p:w")));
    assert_eq!(header(&rc, "https://npm.example.com:8443/team/x"), both);
    for url in [
        "https://npm.example.com:8443/other",
        "https://npm.example.com:8443/team/../other",
        "https://npm.example.com.evil.example/x",
        "https://evil.example/npm.example.com/",
        "https://npm.example.com@evil.example/x",
        "https://npm.example.com:444/",
        // Not in the open, where the registry is on https …
        "http://npm.example.com/react",
        "http://127.0.0.1:4873/react",
        "ftp://npm.example.com/",
        "npm.example.com/",
    ] {
        assert_eq!(header(&rc, url), None, "{url}");
    }
    // … but where it is configured so.
    let rc = user("registry=http://127.0.0.1:4873/\n//127.0.0.1:4873/:_authToken=local");
    assert_eq!(header(&rc, "http://127.0.0.1:4873/react"), Some("Bearer local".into()));
    assert!(!format!("{rc:?}").contains("local"), "{rc:?}");
}

#[test]
fn logins_inside_a_registry_url_are_taken_out() {
    let rc = user("registry=https://me:s%40cret@npm.example.com/r/");
    assert_eq!(rc.registry(), Some("https://npm.example.com/r/"));
    let expected = Base64::encode_string(b"me:s@cret");
    assert_eq!(header(&rc, "https://npm.example.com/r/x"), Some(format!("Basic {expected}")));
    assert_eq!(header(&rc, "https://npm.example.com/x"), None);
}

#[test]
fn a_project_file_names_registries_and_nothing_more() {
    let text = "registry=https://npm.example.com/\n//npm.example.com/:_authToken=stolen\n_auth=abc\n\
                @evil:registry=https://${TOKEN}.evil.example/\ncache=${TOKEN}\ncafile=/tmp/x\nstrict-ssl=false\nhttps-proxy=http://evil.example/\n\
                @login:registry=https://u:p@evil.example/\n//${TOKEN}/:_authToken=x\nstrict-ssl=true\nnoproxy=*";
    let rc = load(
        &[file(Level::User, "//evil.example/:_authToken=mine"), file(Level::Project, text)],
        &environment,
        false,
    );
    assert_eq!(rc.registry(), Some("https://npm.example.com/"));
    // Fails when it is used, instead of going to the default registry.
    assert_eq!(rc.scope("evil"), Some("https://${TOKEN}.evil.example/"));
    assert_eq!(rc.scope("login"), Some("https://evil.example/"));
    assert_eq!(header(&rc, "https://npm.example.com/"), None);
    assert_eq!(header(&rc, "https://evil.example/"), Some("Bearer mine".into()));
    assert_eq!((rc.cafile(), rc.https_proxy(), rc.strict_ssl(), rc.get("cache")), (None, None, true, None));
    assert_eq!(rc.noproxy(), None);
    let reasons: Vec<_> = rc.warnings.iter().map(|w| (w.key.as_str(), w.reason)).collect();
    use Reason::*;
    assert_eq!(
        reasons,
        [
            ("//npm.example.com/:_authToken", ProjectCredential),
            ("_auth", ProjectCredential),
            ("@evil:registry", ProjectExpansion),
            ("cache", ProjectExpansion),
            ("cafile", ProjectNetwork),
            ("strict-ssl", ProjectNetwork),
            ("https-proxy", ProjectNetwork),
            ("@login:registry", ProjectCredential),
            ("//${TOKEN}/:_authToken", ProjectExpansion),
            ("noproxy", ProjectNetwork),
        ]
    );
    assert!(
        rc.warnings.iter().all(|w| !w.to_string().contains("stolen") && !w.to_string().contains("t0ken"))
    );
    let allowed = load(&[file(Level::Project, text)], &environment, true);
    assert_eq!(header(&allowed, "https://npm.example.com/"), Some("Bearer stolen".into()));
    assert_eq!(allowed.scope("evil"), Some("https://t0ken.evil.example/"));
    assert_eq!(allowed.cafile(), Some("/tmp/x"));
}

#[test]
fn a_warning_shows_the_key_as_it_is_written() {
    let rc = user(
        "//${TOKEN}.example/:_auth=nocolon\n${TOKEN}:registry=x\n_password=${TOKEN}\n${TOKEN}=${MISSING}",
    );
    let keys: Vec<_> = rc.warnings.iter().map(|w| w.key.as_str()).collect();
    assert_eq!(keys, ["_password", "${TOKEN}", "//${TOKEN}.example/:_auth"]);
}

#[test]
fn what_cannot_be_used_says_so() {
    let rc = user(
        "//a.example/:_authToken=${MISSING}\n//b.example/:_auth=nocolon\n//c.example/:username=u\n_authToken=x\nregistry=ftp://x/\n//d.example/:_authToken=a b",
    );
    let reasons: Vec<_> = rc.warnings.iter().map(|w| (w.key.as_str(), w.reason)).collect();
    use Reason::*;
    assert_eq!(
        reasons,
        [
            ("//a.example/:_authToken", Unset),
            ("_authToken", Unbound),
            ("registry", NotAUrl),
            ("//b.example/:_auth", Unusable),
            ("//c.example/:username", Unusable),
            ("//d.example/:_authToken", Unusable),
        ]
    );
    for host in ["a", "b", "c", "d"] {
        assert_eq!(header(&rc, &format!("https://{host}.example/")), None);
    }
    assert_eq!(rc.registry(), None);
}

proptest::proptest! {
    #[test]
    fn never_panics(text in "[a-z@:/=\\[\\]\"'\\\\;#${}?\n -]{0,80}", url in "[a-z:/@.%2]{0,30}") {
        for allowed in [false, true] {
            let layers = [file(Level::User, &text), file(Level::Project, &text)];
            let rc = load(&layers, &environment, allowed);
            let _ = rc.credential_for(&url);
            let _ = rc.credential_for(&format!("https://{url}"));
        }
    }
}
