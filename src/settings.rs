//! Settings: flags before environment variables before the user's file before
//! defaults, resolved once for a command. The only reader of the environment.
//!
//! What costs nothing is resolved at once and checked (a bad value is one error
//! that names the variable, status 2); what a command may not need (`HOME`,
//! npm's variables) is asked for by a method. `--version`, `help` and the like
//! never come here.
//!
//! Not here: what a project's files say (`manifest`, `npmrc`).

mod config;
mod environment;
mod minz;
mod value;

pub use environment::Environment;
pub use value::bytes as size;

use crate::cli::Invocation;
use crate::error::{Error, Result};
use crate::install::unit::Linker;
use crate::opportunity::{Opportunity, Sync};
use crate::ui::{Level, Logger, Subsystem};
use crate::wants::Misses;
use config::Config;
use minz::Minz;
use mirror::trust::{Policy, Publishers, Rule, Trust};
use mzp::platform::Platform;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Metadata requests at a time.
const METADATA: usize = 48;
/// Archives at a time.
const ARCHIVES: usize = 16;
/// More than this at a time helps nobody and exhausts file descriptors.
const MOST_AT_A_TIME: usize = 1024;
const CACHE_TTL: Duration = Duration::from_secs(3600);
/// What the home mirror may hold before `mirror gc` drops what no known lockfile needs.
const HOME_MIRROR_LIMIT: u64 = 10 << 30;
/// How long a command that is done goes on bringing the home mirror up to date.
const SYNC_BUDGET: Duration = Duration::from_secs(1);
const DOWNLOAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Who said that there is to be no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offline {
    Flag,
    Variable,
    File,
}

/// Proxies as the variables name them; not yet parsed as URLs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    pub http: Option<String>,
    pub https: Option<String>,
    /// For every scheme that has none of its own.
    pub all: Option<String>,
    /// A comma list of hosts, `.suffixes`, addresses, networks, `*`.
    pub none_for: Option<String>,
}

/// Where certificates to trust come from, beside the system's bundle and the built-in ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Certificates {
    /// `--cafile`: in place of all others.
    pub cafile: Option<PathBuf>,
    /// `SSL_CERT_FILE`: in place of the system's.
    pub bundle: Option<PathBuf>,
    /// `NODE_EXTRA_CA_CERTS`: in addition.
    pub extra: Option<PathBuf>,
}

#[derive(Debug)]
pub struct Settings {
    environment: Environment,
    /// No connection at all is made when somebody said so.
    pub offline: Option<Offline>,
    /// Mirrors are not asked whether upstream has something newer.
    pub prefer_offline: bool,
    /// Mirrors named by `--mirror`, else by `PANTRY_MIRROR`, else by the file, in order.
    pub mirrors: Vec<PathBuf>,
    /// `--registry`: before everything that npm's files and variables say.
    pub registry: Option<String>,
    /// Where MinZ packages are.
    pub minz_registry: Option<String>,
    /// Options that are called as settings of npm's, and overrule them.
    pub as_npmrc: Vec<(String, String)>,
    /// The file's registry: after them.
    pub default_registry: Option<String>,
    /// Nothing where nobody names one.
    pub linker: Option<Linker>,
    /// Bytes.
    pub home_mirror_limit: u64,
    pub metadata_at_a_time: usize,
    pub archives_at_a_time: usize,
    /// The age at which a mirror's record and a cached environment are looked at again.
    pub cache_ttl: Duration,
    /// Cached metadata and the store are ignored. Never blocks `--offline`.
    pub no_cache: bool,
    /// How long a connection may stay silent.
    pub download_timeout: Duration,
    pub name_server: Option<SocketAddr>,
    /// Credentials and `${VAR}` in a project's files count without `pantry allow`.
    pub allow_project_auth: bool,
    pub proxies: Proxies,
    pub certificates: Certificates,
    /// The MinZ compiler that `MZ` names, else `~/.mzp/config.toml`.
    pub compiler: Option<OsString>,
    /// The MinZ target where neither an option nor the project says.
    pub default_target: Option<&'static Platform>,
    /// Where MinZ packages written `user/repo` are, in place of GitHub.
    pub github: Option<String>,
    /// What `mzp run` starts in place of the built-in machine.
    pub emulator: Option<String>,
    /// Packages that may run scripts at install, in every project.
    pub trusted: Vec<String>,
    /// What this machine knows of mirrors, and makes of those that it does not.
    pub trust: Arc<Trust>,
    /// Whose packages may be installed.
    pub publishers: Arc<Publishers>,
    /// What is in reach and nobody named.
    pub opportunity: Arc<Opportunity>,
    /// Scopes and packages whose names leave this machine in no list.
    pub private: Vec<String>,
    /// What a run looked for and did not find.
    pub misses: Arc<Misses>,
    pub logger: Logger,
    /// To be shown once, before the command runs.
    pub warnings: Vec<String>,
}

impl Settings {
    /// # Errors
    /// [`Error::Setting`] for the first variable that cannot be used,
    /// [`Error::Text`] for the configuration; both with status 2.
    pub fn resolve(invocation: &Invocation, environment: Environment) -> Result<Self> {
        let env = &environment;
        let given = |long| invocation.offers(long) && invocation.has(long);
        let both = value::number(env, "PANTRY_CONCURRENCY", 1..=MOST_AT_A_TIME)?;
        let archives = value::number(env, "PANTRY_MAX_CONCURRENT", 1..=MOST_AT_A_TIME)?;
        let seconds = value::number(env, "PANTRY_CACHE_TTL", 0..=usize::MAX)?;
        let age = value::number(env, "PANTRY_MIRROR_MAX_AGE", 0..=usize::MAX)?.map(|days| days as u64);
        let milliseconds = value::number(env, "PANTRY_DOWNLOAD_TIMEOUT", 1..=usize::MAX)?;
        let by_variable = value::switch(env, "PANTRY_OFFLINE")?;
        let mut config = configuration(env)?;
        let is_mzp = invocation.path.starts_with("mzp ");
        let mut minz = match user_home(env) {
            Some(home) if is_mzp || ["sync", "mirror sync", "mirror want"].contains(&&*invocation.path) => {
                Minz::read(&home.join(".mzp/config.toml"), &home)?
            }
            _ => Minz::default(),
        };
        if is_mzp {
            config.mirrors.splice(0..0, std::mem::take(&mut minz.mirrors));
        }
        let given_registry = given_text(invocation, "registry")?;
        let registry = given_registry.or_else(|| minz.registry.clone().filter(|_| is_mzp));
        let both = both.or(config.concurrency);
        let signatures =
            value::signatures(env, "PANTRY_SIGNATURES", &mut config.signed)?.or(config.signatures);
        let trust = trust(env, signatures, age.or(config.mirror_max_age));
        let mut warnings = Vec::new();
        if let Some(allocator) = value::text(env, "PANTRY_ALLOCATOR")?.filter(|name| name != "system") {
            let name = mirror::name::escape(&allocator).into_owned();
            warnings
                .push(format!("PANTRY_ALLOCATOR: `{name}` is not built in; the system's allocator is used"));
        }
        Ok(Self {
            offline: match () {
                () if invocation.has("offline") => Some(Offline::Flag),
                () if by_variable => Some(Offline::Variable),
                () => config.offline.then_some(Offline::File),
            },
            prefer_offline: given("prefer-offline") || config.prefer_offline,
            mirrors: mirrors(invocation, env, config.mirrors),
            minz_registry: if is_mzp { registry.clone() } else { minz.registry },
            registry,
            as_npmrc: as_npmrc(invocation),
            default_registry: config.registry,
            linker: given_text(invocation, "linker")?.and_then(|word| Linker::parse(&word)).or(config.linker),
            home_mirror_limit: config.home_mirror_limit.unwrap_or(HOME_MIRROR_LIMIT),
            metadata_at_a_time: both.unwrap_or(METADATA),
            archives_at_a_time: archives.or(config.max_concurrent).or(both).unwrap_or(ARCHIVES),
            cache_ttl: seconds
                .map(|seconds| Duration::from_secs(seconds as u64))
                .or(config.cache_ttl)
                .unwrap_or(CACHE_TTL),
            no_cache: value::switch(env, "PANTRY_NO_CACHE")? || given("no-cache"),
            download_timeout: milliseconds
                .map(|milliseconds| Duration::from_millis(milliseconds as u64))
                .or(config.download_timeout)
                .unwrap_or(DOWNLOAD_TIMEOUT),
            name_server: value::name_server(env, "PANTRY_DNS_RESOLVER")?.or(config.name_server),
            allow_project_auth: value::switch(env, "PANTRY_ALLOW_PROJECT_AUTH")?,
            proxies: Proxies {
                http: value::either_case(env, "http_proxy")?,
                https: value::either_case(env, "https_proxy")?,
                all: value::either_case(env, "all_proxy")?,
                none_for: value::either_case(env, "no_proxy")?,
            },
            certificates: Certificates {
                cafile: match given("cafile") {
                    true => invocation.path("cafile").map(PathBuf::from),
                    false => config.cafile,
                },
                bundle: env.filled("SSL_CERT_FILE").map(PathBuf::from),
                extra: env.filled("NODE_EXTRA_CA_CERTS").map(PathBuf::from),
            },
            compiler: env.filled("MZ").or(minz.compiler),
            default_target: minz.default_target,
            emulator: minz.emulator,
            github: minz.github,
            trusted: config.trusted,
            opportunity: Arc::new(Opportunity::new(
                value::word(env, "PANTRY_SYNC", &Sync::NAMES)?.or(config.sync).unwrap_or_default(),
                value::number(env, "PANTRY_SYNC_BUDGET", 0..=3_600_000)?
                    .map_or(SYNC_BUDGET, |milliseconds| Duration::from_millis(milliseconds as u64)),
                config.peers,
                trust.clone(),
                home(env).and_then(|home| absolute(home).ok()),
            )),
            trust,
            publishers: publishers(env, config.signed),
            private: config.private,
            misses: Arc::new(Misses::new(home(env).and_then(|home| absolute(home).ok()))),
            logger: logger(env)?,
            warnings,
            environment,
        })
    }

    /// `$PANTRY_HOME`, else `~/.pantry`. It need not exist.
    ///
    /// # Errors
    /// [`Error::NoHome`]; [`Error::NoWorkingDirectory`] when it is relative to none.
    pub fn home(&self) -> Result<PathBuf> {
        absolute(home(&self.environment).ok_or(Error::NoHome)?)
    }

    /// The user's own folder: `HOME`, on Windows `USERPROFILE`.
    ///
    /// # Errors
    /// As [`Settings::home`].
    pub fn user_home(&self) -> Result<PathBuf> {
        absolute(user_home(&self.environment).ok_or(Error::NoHome)?)
    }

    /// # Errors
    /// As [`Settings::home`].
    pub fn home_mirror(&self) -> Result<PathBuf> {
        Ok(self.home()?.join("mirror"))
    }

    /// The store of extracted packages.
    ///
    /// # Errors
    /// As [`Settings::home`].
    pub fn store(&self) -> Result<PathBuf> {
        Ok(self.home()?.join("store"))
    }

    /// Where MinZ keeps what belongs to the user.
    ///
    /// # Errors
    /// [`Error::NoHome`].
    pub fn mzp_home(&self) -> Result<PathBuf> {
        Ok(self.user_home()?.join(".mzp"))
    }

    /// # Errors
    /// [`Error::NoWorkingDirectory`].
    pub fn working_directory(&self) -> Result<PathBuf> {
        working_directory()
    }

    /// The folders of `PATH`, in order, without those that are relative.
    pub fn search_path(&self) -> Vec<PathBuf> {
        let path = self.environment.get("PATH").unwrap_or_default();
        std::env::split_paths(&path).filter(|folder| folder.is_absolute()).collect()
    }

    /// The MinZ compiler's own variables, sorted: with others it may make something else.
    pub fn compiler_variables(&self) -> Vec<(OsString, OsString)> {
        let mut found = self.environment.all();
        found.retain(|(name, _)| name == "DEBUG" || name.as_encoded_bytes().starts_with(b"MINZ_"));
        mirror::order::sort(&mut found);
        found
    }

    /// Threads for work that the processor or the disk bounds: one per core.
    pub fn threads(&self) -> usize {
        crate::install::platform::cores()
    }

    /// For short-lived files beside a child process.
    pub fn temporary_directory(&self) -> PathBuf {
        self.environment.filled("TMPDIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from)
    }

    /// npm's variables, `npm_config_registry` as `registry`: names in lower
    /// case with `-`, except what follows `//` (a registry's own keys). Values
    /// that are not text are left out.
    pub fn npm_config(&self) -> Vec<(String, String)> {
        let mut found: Vec<_> = self
            .environment
            .all()
            .into_iter()
            .filter_map(|(name, value)| {
                let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
                let head = name.get(..11)?;
                head.eq_ignore_ascii_case("npm_config_").then(|| (npm_name(&name[11..]), value))
            })
            .filter(|(name, _)| !name.is_empty())
            .collect();
        mirror::order::sort(&mut found);
        found
    }

    /// A variable that a user-level file names as `${NAME}`.
    pub fn variable(&self, name: &str) -> Option<OsString> {
        self.environment.get(name)
    }
}

fn home(environment: &Environment) -> Option<PathBuf> {
    let named = environment.filled("PANTRY_HOME").map(PathBuf::from);
    named.or_else(|| user_home(environment).map(|home| home.join(".pantry")))
}

fn user_home(environment: &Environment) -> Option<PathBuf> {
    let windows = || cfg!(windows).then(|| environment.filled("USERPROFILE")).flatten();
    environment.filled("HOME").or_else(windows).map(PathBuf::from)
}

fn working_directory() -> Result<PathBuf> {
    std::env::current_dir().map_err(|source| Error::NoWorkingDirectory { source }.into())
}

fn absolute(path: PathBuf) -> Result<PathBuf> {
    if path.is_absolute() { Ok(path) } else { Ok(working_directory()?.join(path)) }
}

fn trust(environment: &Environment, policy: Option<Policy>, max_age: Option<u64>) -> Arc<Trust> {
    let home = home(environment).and_then(|home| absolute(home).ok());
    let at = |name: &str| home.as_ref().map(|home| home.join(name));
    let mut trust = Trust::new(at("trust"), at("mirror"), policy.unwrap_or(Policy::Required));
    trust.max_age = max_age;
    Arc::new(trust)
}

fn publishers(environment: &Environment, rules: Vec<Rule>) -> Arc<Publishers> {
    let home = home(environment).and_then(|home| absolute(home).ok()).unwrap_or_default();
    Arc::new(Publishers::new(rules, home.join("keyring.json"), crate::keyring::publishers))
}

/// The user's file; nothing where there is no home to have it.
fn configuration(environment: &Environment) -> Result<Config> {
    let Some(home) = home(environment) else { return Ok(Config::default()) };
    Config::read(&home.join("config.toml"), user_home(environment).as_deref())
}

/// `//host/:_authToken` stays as it is; anything else is npm's spelling of a key.
fn npm_name(name: &str) -> String {
    if name.starts_with("//") || name.starts_with('@') {
        return name.to_string();
    }
    let lower = name.to_ascii_lowercase();
    // npm turns all but a leading underscore into a dash.
    let rest = lower.trim_start_matches('_');
    format!("{}{}", &lower[..lower.len() - rest.len()], rest.replace('_', "-"))
}

fn mirrors(invocation: &Invocation, environment: &Environment, configured: Vec<PathBuf>) -> Vec<PathBuf> {
    let named: Vec<PathBuf> = invocation.values("mirror").map(PathBuf::from).collect();
    if !named.is_empty() {
        return named;
    }
    match environment.filled("PANTRY_MIRROR") {
        Some(list) => std::env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()).collect(),
        None => configured,
    }
}

fn as_npmrc(invocation: &Invocation) -> Vec<(String, String)> {
    let given = |name: &&str| invocation.offers(name) && invocation.has(name);
    let names = ["legacy-peer-deps", "strict-peer-deps", "engine-strict"].into_iter().filter(given);
    names.map(|name| (name.to_string(), "true".to_string())).collect()
}

fn given_text(invocation: &Invocation, long: &str) -> Result<Option<String>> {
    if !invocation.offers(long) {
        return Ok(None);
    }
    Ok(invocation.text(long)?.map(str::to_string))
}

/// `PANTRY_LOG` alone means everything of those subsystems that helps (debug);
/// `PANTRY_LOG_LEVEL` alone means all subsystems.
fn logger(environment: &Environment) -> Result<Logger> {
    let subsystems = value::words(environment, "PANTRY_LOG", &Subsystem::NAMES)?;
    let level = value::word(environment, "PANTRY_LOG_LEVEL", &Level::NAMES)?;
    Ok(match (level, subsystems.is_empty()) {
        (None, true) => Logger::default(),
        (level, _) => Logger::new(level.unwrap_or(Level::Debug), &subsystems),
    })
}

#[cfg(test)]
mod tests;
