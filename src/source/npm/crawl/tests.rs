//! The crawl against a small registry in a thread.

use super::super::registry::Registries;
use super::super::upstream::Upstream;
use super::*;
use crate::npmrc::{Content, Layer, Level, load};
use mirror::http::{Client, ClientOptions, Url};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

/// name → (status, etag, body); answers each request on a connection of its own.
struct Registry {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    /// Requests that are open, and the most that were at a time.
    open: Arc<(Mutex<(usize, usize)>, Condvar)>,
}

type Documents = HashMap<&'static str, (u16, &'static str, String)>;

/// Nobody is answered before so many have asked (or a minute has passed).
fn serve(documents: Documents, together: usize) -> Registry {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let open = Arc::new((Mutex::new((0, 0)), Condvar::new()));
    let documents = Arc::new(documents);
    let (log, count) = (Arc::clone(&asked), Arc::clone(&open));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let (documents, log, count) = (Arc::clone(&documents), Arc::clone(&log), Arc::clone(&count));
            std::thread::spawn(move || {
                let mut head = String::new();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                while reader.read_line(&mut head).is_ok_and(|n| n > 2) {}
                let path = head.split(' ').nth(1).unwrap_or("/").to_string();
                log.lock().unwrap().push(path.clone());
                let (count, more) = &*count;
                let mut now = count.lock().unwrap();
                now.0 += 1;
                now.1 = now.1.max(now.0);
                more.notify_all();
                let minute = Duration::from_secs(60);
                let (mut now, _) = more.wait_timeout_while(now, minute, |now| now.1 < together).unwrap();
                now.0 -= 1;
                drop(now);
                let name = path.trim_start_matches('/').replace("%2f", "/");
                let (status, etag, body) =
                    documents.get(name.as_str()).cloned().unwrap_or((404, "", "{}".to_string()));
                let fits = !etag.is_empty() && head.contains(&format!("if-none-match: {etag}"));
                let (status, body) = if fits { (304, "") } else { (status, body.as_str()) };
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nETag: {etag}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
            });
        }
    });
    Registry { port, asked, open }
}

/// A document with these versions; each with dependencies as JSON.
fn document(name: &str, versions: &[(&str, &str)]) -> String {
    let list: Vec<_> =
        versions.iter().map(|(v, d)| format!(r#""{v}":{{"name":"{name}","version":"{v}",{d}}}"#)).collect();
    let last = versions.last().map_or("", |v| v.0);
    format!(r#"{{"name":"{name}","dist-tags":{{"latest":"{last}"}},"versions":{{{}}}}}"#, list.join(","))
}

fn deps(list: &str) -> String {
    format!(r#""dependencies":{{{list}}}"#)
}

fn name(text: &str) -> PackageName {
    PackageName::parse(text).unwrap()
}

/// Keeps what it is told; knows what it was given.
#[derive(Default)]
struct Notes {
    known: HashMap<String, RecordView>,
    arrived: Mutex<Vec<(String, Arrival)>>,
    guessed: Mutex<Vec<String>>,
}

impl Watch for Notes {
    fn known(&self, key: &Key) -> Result<Option<RecordView>> {
        Ok(self.known.get(&key.name).cloned())
    }
    fn arrived(&self, record: &mut Arc<RecordView>, how: Arrival) {
        self.arrived.lock().unwrap().push((record.key().name.clone(), how));
    }
    fn guessed(&self, name: &PackageName, _: &str, version: &VersionRecord) {
        self.guessed.lock().unwrap().push(format!("{name}@{}", version.version));
    }
}

impl Notes {
    fn guesses(&self) -> Vec<String> {
        let mut all = self.guessed.lock().unwrap().clone();
        all.sort();
        all
    }
    fn arrival(&self, name: &str) -> Option<Arrival> {
        self.arrived.lock().unwrap().iter().find(|(n, _)| n == name).map(|(_, how)| *how)
    }
}

struct Setting {
    client: Client,
    registries: Registries,
}

impl Setting {
    fn new(port: u16) -> Self {
        let text = format!("registry=http://127.0.0.1:{port}/");
        let layer = Layer { level: Level::User, name: ".npmrc", content: Content::Text(&text) };
        let upstream =
            Upstream { registry: Url::parse("https://registry.example.com/").unwrap(), sister: None };
        let registries = Registries::new(load(&[layer], &|_| None, false), upstream).unwrap();
        Self { client: Client::new(ClientOptions { retries: 0, ..ClientOptions::default() }), registries }
    }
    fn plan(&self, fresh_for: u64) -> Plan<'_> {
        let question =
            Question { client: &self.client, registries: &self.registries, now: 10_000, before: None };
        Plan { question, most: 48, fresh_for, prefer_known: false }
    }
}

fn known(name: &str, complete: bool, checked: u64, etag: &str) -> RecordView {
    let mut builder = mirror::record::RecordBuilder::new(Key::npm(name));
    (builder.complete, builder.checked, builder.etag) = (complete, checked, etag.into());
    builder.push_version(&VersionRecord::new(Version::new(7, 0, 0))).unwrap();
    RecordView::parse(builder.finish().unwrap().into()).unwrap()
}

#[test]
fn what_will_be_asked_is_fetched_ahead() {
    let documents = HashMap::from([
        (
            "app",
            (
                200,
                "",
                document(
                    "app",
                    &[("1.0.0", &deps(r#""a":"^1","@s/b":"*","gone":"1","git":"git+ssh://x/y""#))],
                ),
            ),
        ),
        (
            "a",
            (
                200,
                "",
                document(
                    "a",
                    &[
                        ("1.0.0", r#""x":1"#),
                        ("1.5.0", &deps(r#""alias":"npm:real@~2.1""#)),
                        ("2.0.0", &deps(r#""never":"1""#)),
                    ],
                ),
            ),
        ),
        (
            "@s/b",
            (
                200,
                "",
                document(
                    "@s/b",
                    &[(
                        "3.0.0",
                        r#""peerDependencies":{"p":"1 || 2","q":"1"},"peerDependenciesMeta":{"q":{"optional":true}},"optionalDependencies":{"o":"next"}"#,
                    )],
                ),
            ),
        ),
        ("real", (200, "", document("real", &[("2.1.0", r#""x":1"#), ("2.1.9", r#""deprecated":"no""#)]))),
        (
            "p",
            (
                200,
                "",
                document(
                    "p",
                    &[("1.9.0", r#""x":1"#), ("2.0.0", &deps(r#""a":"^1""#)), ("3.0.0", r#""x":1"#)],
                ),
            ),
        ),
        (
            "o",
            (
                200,
                "",
                document("o", &[("1.0.0", r#""x":1"#)]).replace(r#""latest""#, r#""next":"1.0.0","latest""#),
            ),
        ),
    ]);
    let server = serve(documents, 0);
    let (setting, notes) = (Setting::new(server.port), Notes::default());
    let found = crawl(&setting.plan(0), &notes, None, |crawler| {
        let app = name("app");
        crawler.expect([(&app, "^1.0.0")]);
        let mut seen = Vec::new();
        // A resolver that comes late to everything.
        for n in ["app", "a", "@s/b", "real", "p", "o", "gone"] {
            let package = crawler.package(&name(n)).unwrap();
            seen.push(package.map(|p| (p.len(), p.source().to_string(), p.is_available(0))));
        }
        assert!(Rc::ptr_eq(
            &crawler.package(&app).unwrap().unwrap(),
            &crawler.package(&app).unwrap().unwrap()
        ));
        seen
    });
    let lengths: Vec<_> = found.iter().map(|f| f.as_ref().map(|f| f.0)).collect();
    assert_eq!(lengths, [Some(1), Some(3), Some(1), Some(2), Some(3), Some(1), None]);
    assert_eq!(found[0], Some((1, "npm".to_string(), true)));
    assert_eq!(notes.guesses(), ["@s/b@3.0.0", "a@1.5.0", "app@1.0.0", "o@1.0.0", "real@2.1.0"]);
    let mut asked = server.asked.lock().unwrap().clone();
    asked.sort();
    assert_eq!(asked, ["/@s%2fb", "/a", "/app", "/gone", "/o", "/p", "/real"], "each once, nothing else");
}

#[test]
fn a_mirror_answers_while_it_is_young_and_is_confirmed_when_it_is_not() {
    let documents = HashMap::from([
        ("same", (200, "\"v1\"", document("same", &[("1.0.0", r#""x":1"#)]))),
        ("new", (200, "\"v2\"", document("new", &[("8.0.0", r#""x":1"#)]))),
        ("pruned", (200, "\"v1\"", document("pruned", &[("9.0.0", r#""x":1"#)]))),
    ]);
    let server = serve(documents, 0);
    let setting = Setting::new(server.port);
    let mut notes = Notes::default();
    for (n, complete, checked, etag) in [
        ("young", true, 9_990, ""),
        ("same", true, 1, "\"v1\""),
        ("new", true, 1, "\"v1\""),
        // Its validator would get a 304, and the other versions would stay unknown.
        ("pruned", false, 9_999, "\"v1\""),
    ] {
        notes.known.insert(n.into(), known(n, complete, checked, etag));
    }
    crawl(&setting.plan(60), &notes, None, |crawler| {
        let first = |n: &str| crawler.package(&name(n)).unwrap().unwrap().version(0).to_string();
        assert_eq!((first("young"), first("same")), ("7.0.0".into(), "7.0.0".into()));
        assert_eq!((first("new"), first("pruned")), ("8.0.0".into(), "9.0.0".into()));
    });
    assert_eq!(notes.arrival("young"), Some(Arrival::Known));
    assert_eq!(notes.arrival("same"), Some(Arrival::Confirmed));
    assert_eq!(notes.arrival("new"), Some(Arrival::Fetched));
    assert!(!server.asked.lock().unwrap().contains(&"/young".to_string()));
    let plan = Plan { prefer_known: true, ..setting.plan(0) };
    let before = server.asked.lock().unwrap().len();
    crawl(&plan, &notes, None, |crawler| assert!(crawler.package(&name("pruned")).unwrap().is_some()));
    assert_eq!(server.asked.lock().unwrap().len(), before);
}

#[test]
fn only_an_outage_lets_a_mirror_stand_in() {
    let documents = HashMap::from([
        ("busy", (503, "", "{}".to_string())),
        ("secret", (401, "", "{}".to_string())),
        ("forbidden", (403, "", "{}".to_string())),
        ("html", (200, "", "<html>login</html>".to_string())),
        ("other", (200, "", document("evil", &[("1.0.0", r#""x":1"#)]))),
    ]);
    let server = serve(documents, 0);
    let (setting, mut notes) = (Setting::new(server.port), Notes::default());
    for n in ["busy", "secret", "forbidden", "html", "other"] {
        notes.known.insert(n.into(), known(n, true, 1, ""));
    }
    crawl(&setting.plan(0), &notes, None, |crawler| {
        let stale = crawler.package(&name("busy")).unwrap().unwrap();
        assert!(!stale.is_available(0), "its archive is not here, and nobody can be asked for it");
        for (n, status) in [("secret", 4), ("forbidden", 4), ("html", 1), ("other", 3)] {
            let error = crawler.package(&name(n)).map(|_| ()).unwrap_err();
            assert!(error.to_string().contains("127.0.0.1"), "{error}");
            assert_eq!(error.status().code(), status, "{error}");
        }
    });
    assert_eq!(notes.arrival("busy"), Some(Arrival::Stale));
    // Nobody there at all: known or not, the fallback is asked; without one it is an error.
    let nobody = Setting::new(1);
    struct Fixed;
    impl Index for Fixed {
        fn package(&self, n: &PackageName) -> Result<Option<Rc<dyn Candidates>>> {
            let record = Arc::new(known(n.as_str(), true, 1, ""));
            Ok((n.as_str() != "absent")
                .then(|| Rc::new(Live { record, upstream: true }) as Rc<dyn Candidates>))
        }
    }
    crawl(&nobody.plan(0), &notes, Some(&Fixed), |crawler| {
        assert!(crawler.package(&name("busy")).unwrap().unwrap().is_available(0));
        assert!(crawler.package(&name("never-seen")).unwrap().is_some());
        // Unknown to both is no end of it: only who cannot do without it asks for the reason.
        assert!(crawler.package(&name("absent")).unwrap().is_none());
        let outage = crawler.outage();
        let reasons: Vec<_> = outage.into_iter().map(|(n, e)| (n.to_string(), e.into_error(&n))).collect();
        assert!(matches!(&reasons[..], [(n, e)] if n == "absent" && e.status().code() == 4), "{reasons:?}");
    });
    crawl(&nobody.plan(0), &notes, None, |crawler| {
        assert!(crawler.package(&name("absent")).is_err_and(|e| e.status().code() == 4));
    });
}

#[test]
fn more_threads_only_when_all_of_them_wait() {
    let names: Vec<String> = (0..60).map(|i| format!("n{i}")).collect();
    let documents = names
        .iter()
        .map(|n| (&*n.clone().leak(), (200, "", document(n, &[("1.0.0", r#""x":1"#)]))))
        .collect();
    let server = serve(documents, 12);
    let setting = Setting::new(server.port);
    crawl(&setting.plan(0), &Notes::default(), None, |crawler| {
        let all: Vec<_> = names.iter().map(|n| name(n)).collect();
        crawler.expect(all.iter().map(|n| (n, "*")));
        all.iter().for_each(|n| assert!(crawler.package(n).unwrap().is_some()));
    });
    let far = server.open.0.lock().unwrap().1;
    assert!((12..=48).contains(&far), "{far} at a time");
    let one = Plan { most: 1, ..Setting::new(1).plan(0) }.most;
    assert_eq!(one, 1);
}

#[test]
fn picks_as_npm_does_from_scratch() {
    let json = r#"{"dist-tags":{"latest":"1.5.0","next":"3.0.0-rc.1","gone":"9.0.0"},"versions":{"1.0.0":{},"1.5.0":{},
        "1.9.0":{},"2.0.0":{"deprecated":"x"},"2.1.0":{"deprecated":"x"},"3.0.0-rc.1":{}}}"#;
    let asked =
        super::super::packument::Asked { key: Key::npm("x"), bases: &[], checked: 0, etag: String::new() };
    let bytes = super::super::packument::scan(&mut json.as_bytes(), asked).unwrap();
    let record = RecordView::parse(bytes.into()).unwrap();
    for (range, want) in [
        ("^1.0.0", Some("1.5.0")),
        ("", Some("1.5.0")),
        ("*", Some("1.5.0")),
        (">=1.6", Some("1.9.0")),
        ("^2", Some("2.1.0")),
        ("1.0.0", Some("1.0.0")),
        ("next", Some("3.0.0-rc.1")),
        ("latest", Some("1.5.0")),
        ("gone", None),
        ("nothing", None),
        ("^4", None),
    ] {
        assert_eq!(pick(&record, range, u64::MAX).map(|i| record.version(i)), want, "{range}");
    }
}

#[test]
fn edges_to_registries() {
    let edge = |alias, range| registry_edge(alias, range).map(|(n, r)| format!("{n} {r}"));
    assert_eq!(edge("a", " ^1 ").as_deref(), Some("a ^1"));
    assert_eq!(edge("a", "npm:b@^2").as_deref(), Some("b ^2"));
    assert_eq!(edge("a", "npm:@s/b@2").as_deref(), Some("@s/b 2"));
    assert_eq!(edge("a", "npm:@s/b").as_deref(), Some("@s/b "));
    for none in
        ["git+ssh://x/y", "file:../x", "user/repo", "http://example.com/x.tgz", "workspace:*", "npm:../x@1"]
    {
        assert_eq!(edge("a", none), None, "{none}");
    }
}
