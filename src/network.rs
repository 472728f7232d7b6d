//! How registries are reached in this run: which they are, with which logins,
//! and through which client. Settled from flags, variables and the `.npmrc`
//! files that npm reads, in npm's order.

use crate::commands::NPM;
use crate::error::{Error, Result};
use crate::npmrc::{self, Content, Layer, Level};
use crate::project::node;
use crate::resolve::Rules;
use crate::settings::Settings;
use crate::source::npm::packument::unix_seconds;
use crate::source::npm::registry::Registries;
use crate::source::npm::upstream::Upstream;
use crate::ui::Ui;
use mirror::http::{Client, ClientOptions, NoProxy, ProxyOptions, RootOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An `.npmrc` of more than this is not one.
const LIMIT: u64 = 1 << 20;

/// The registries of a run and the one client that asks them.
#[derive(Clone)]
pub struct Network {
    pub client: Client,
    pub registries: Arc<Registries>,
    /// What stands before a version that is written into a manifest: npm's `save-prefix`, nothing with `save-exact`.
    pub save_prefix: String,
    /// npm's `legacy-peer-deps`, `strict-peer-deps` and `engine-strict`.
    pub legacy_peers: bool,
    pub strict_peers: bool,
    pub strict_engines: bool,
    /// Versions that were published later do not count (`before`, `minimum-release-age`), but of these packages.
    pub rules: Rules,
}

impl Network {
    /// Reads the configuration; no connection is made. `project`: the folder
    /// whose `.npmrc` counts as the project's.
    pub fn new(settings: &Settings, project: &Path, ui: &mut Ui) -> Result<Self> {
        let npmrc = Self::npmrc(settings, project, ui)?;
        let client = Client::new(options(settings, &npmrc));
        let save_prefix = match npmrc.flag("save-exact") {
            Some(true) => "",
            _ => npmrc.text("save-prefix").unwrap_or("^"),
        };
        let save_prefix = save_prefix.to_string();
        let rules = Rules { node: node::of(settings), ..rules(&npmrc)? };
        let flag = |key| npmrc.flag(key) == Some(true);
        let legacy_peers = flag("legacy-peer-deps");
        let (strict_peers, strict_engines) = (flag("strict-peer-deps"), flag("engine-strict"));
        let registries = Arc::new(Registries::new(npmrc, Upstream::built_in()?)?);
        Ok(Self { client, registries, save_prefix, legacy_peers, strict_peers, strict_engines, rules })
    }

    /// The client alone, which makes no connection where nobody may.
    pub fn client(settings: &Settings, project: &Path, ui: &mut Ui) -> Result<Client> {
        match settings.offline {
            None if NPM => Ok(Client::new(options(settings, &Self::npmrc(settings, project, ui)?))),
            _ => Ok(Client::offline()),
        }
    }

    fn npmrc(settings: &Settings, project: &Path, ui: &mut Ui) -> Result<npmrc::Npmrc> {
        let variables = settings.npm_config();
        let variable = |key: &str| variables.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
        let global = match variable("globalconfig") {
            Some(path) => Some(PathBuf::from(path)),
            None => node_prefix(settings, variable("prefix")).map(|p| p.join("etc/npmrc")),
        };
        let user = match variable("userconfig") {
            Some(path) => Some(PathBuf::from(path)),
            None => settings.user_home().ok().map(|home| home.join(".npmrc")),
        };
        let own = project.join(".npmrc");
        let files = [(Level::Global, global), (Level::User, user.clone()), (Level::Project, Some(own))];
        let mut texts = Vec::new();
        for (level, path) in files {
            let Some(path) = path else { continue };
            // A home folder that is a project has one file with both roles: the user's.
            if level == Level::Project && Some(&path) == user.as_ref() {
                continue;
            }
            if let Some(text) = read(&path)? {
                texts.push((level, path.to_string_lossy().into_owned(), text));
            }
        }
        let built_in: Vec<_> =
            settings.default_registry.iter().map(|url| ("registry".to_string(), url.clone())).collect();
        let mut flags = settings.as_npmrc.clone();
        flags.extend(settings.registry.iter().map(|url| ("registry".to_string(), url.clone())));
        let mut layers =
            vec![Layer { level: Level::Builtin, name: "config.toml", content: Content::Pairs(&built_in) }];
        layers.extend(texts.iter().map(|(level, name, text)| Layer {
            level: *level,
            name,
            content: Content::Text(text),
        }));
        layers.push(Layer {
            level: Level::Environment,
            name: "the environment",
            content: Content::Pairs(&variables),
        });
        layers.push(Layer { level: Level::CommandLine, name: "--registry", content: Content::Pairs(&flags) });
        let lookup = |name: &str| settings.variable(name).and_then(|v| v.into_string().ok());
        let npmrc = npmrc::load(&layers, &lookup, settings.allow_project_auth);
        npmrc.warnings.iter().for_each(|w| ui.warn(&w.to_string()));
        Ok(npmrc)
    }
}

/// What npm (`before`, `min-release-age` in days) and pnpm (`minimum-release-age` in minutes) have against
/// versions that nobody had time to look at. What cannot be understood is an error: it protects.
fn rules(npmrc: &npmrc::Npmrc) -> Result<Rules> {
    let wrong = |key: &str, value: &str, rule: &str| Error::Setting {
        name: key.into(),
        value: value.into(),
        rule: rule.into(),
    };
    let mut rules = Rules::default();
    if let Some(text) = npmrc.get("before") {
        let time = unix_seconds(text).or_else(|| unix_seconds(&format!("{text}T00:00:00Z")));
        rules.before = Some(time.ok_or_else(|| wrong("before", text, "a date such as 2026-01-31"))?);
    }
    for (key, seconds) in [("minimum-release-age", 60), ("min-release-age", 86_400)] {
        let Some(text) = npmrc.get(key) else { continue };
        let number = text.parse::<u64>().map_err(|_| wrong(key, text, "a whole number"))?;
        let until = mirror::time::now().saturating_sub(number.saturating_mul(seconds));
        rules.before = Some(rules.before.map_or(until, |before| before.min(until)));
    }
    rules.exempt = npmrc.all("minimum-release-age-exclude").to_vec();
    Ok(rules)
}

fn options(settings: &Settings, npmrc: &npmrc::Npmrc) -> ClientOptions {
    let proxies = &settings.proxies;
    let either = |own: &Option<String>, npm: Option<&str>| {
        npm.map(str::to_string).or_else(|| own.clone()).or_else(|| proxies.all.clone())
    };
    let none = npmrc.noproxy().map(str::to_string).or_else(|| proxies.none_for.clone()).unwrap_or_default();
    let certificates = &settings.certificates;
    ClientOptions {
        connections: settings.metadata_at_a_time + settings.archives_at_a_time,
        stall_timeout: settings.download_timeout,
        proxy: ProxyOptions {
            http: either(&proxies.http, npmrc.proxy()),
            https: either(&proxies.https, npmrc.https_proxy().or(npmrc.proxy())),
            no_proxy: NoProxy::parse(&none),
        },
        roots: RootOptions {
            cafile: certificates.cafile.clone().or_else(|| {
                let written = npmrc.cafile()?;
                let home =
                    written.strip_prefix("~/").and_then(|rest| Some(settings.user_home().ok()?.join(rest)));
                Some(home.unwrap_or_else(|| PathBuf::from(written)))
            }),
            ca: npmrc.ca(),
            ssl_cert_file: certificates.bundle.clone(),
            extra: certificates.extra.clone(),
        },
        strict_ssl: npmrc.strict_ssl(),
        ..ClientOptions::default()
    }
}

/// Where npm was installed: `node` on the path lies in its `bin`.
fn node_prefix(settings: &Settings, configured: Option<&str>) -> Option<PathBuf> {
    if let Some(prefix) = configured {
        return Some(PathBuf::from(prefix));
    }
    let node = settings.search_path().into_iter().map(|dir| dir.join("node")).find(|node| node.is_file())?;
    Some(std::fs::canonicalize(node).ok()?.parent()?.parent()?.to_path_buf())
}

fn not_a_file() -> std::io::Error {
    std::io::Error::other("it is not a regular file")
}

fn read(path: &Path) -> Result<Option<String>> {
    match mirror::file::read(path, LIMIT) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(mirror::Error::Io { source, .. })
            if matches!(source.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
        {
            Ok(None)
        }
        // Some people keep it in a folder of links.
        Err(mirror::Error::NotRegular { .. }) => match std::fs::canonicalize(path) {
            Ok(target) if target != path => read(&target),
            Ok(_) => {
                Err(Box::new(Error::Io { action: "read", path: path.to_path_buf(), source: not_a_file() }))
            }
            Err(source) => Err(Box::new(Error::Io { action: "read", path: path.to_path_buf(), source })),
        },
        Err(e) => Err(e.into()),
    }
}
