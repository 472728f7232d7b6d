//! The environment variables that `crate::settings` reads, for help and man.
//! A test there checks that the two lists agree.

use crate::cli::text::Text;

/// Name (several separated by commas) and one line about it.
pub struct Variable {
    pub names: &'static str,
    pub help: Text,
}

const fn variable(names: &'static str, help: &'static str) -> Variable {
    Variable { names, help: Text::new(help) }
}

pub static VARIABLES: &[Variable] = &[
    variable("PANTRY_HOME", "Where everything of one user lies (default: ~/.pantry)"),
    variable("PANTRY_OFFLINE", "1: make no network connection, as --offline"),
    variable("PANTRY_MIRROR", "Mirrors to use before the home mirror, separated as in PATH"),
    variable("PANTRY_SYNC", "Whether trusted mirrors that are plugged in are used: auto, ask, never"),
    variable(
        "PANTRY_SYNC_BUDGET",
        "How long a command that is done may go on taking from them, in ms (default 1000)",
    ),
    variable("PANTRY_SIGNATURES", "What is made of mirrors without a known signature: required, warn, off"),
    variable(
        "PANTRY_MIRROR_MAX_AGE",
        "Days after which the state of a mirror is refused (default: it is only said)",
    ),
    variable("PANTRY_CONCURRENCY", "How many requests at a time, metadata and archives"),
    variable("PANTRY_MAX_CONCURRENT", "How many archives at a time (default: 16)"),
    variable("PANTRY_CACHE_TTL", "Seconds after which cached facts are looked at again (default: 3600)"),
    variable(
        "PANTRY_NO_CACHE",
        "1: ignore cached metadata, the store and earlier MinZ builds; mirrors still count",
    ),
    variable(
        "PANTRY_DOWNLOAD_TIMEOUT",
        "Milliseconds after which a silent connection is given up (default: 30000)",
    ),
    variable("PANTRY_DNS_RESOLVER", "Name server to ask: ADDRESS or ADDRESS:PORT"),
    variable("PANTRY_LOG", "Subsystems to log: cache, install, mirror, mzp, network, resolve"),
    variable("PANTRY_LOG_LEVEL", "How much to log: error, warn, info, debug, trace"),
    variable("PANTRY_ALLOCATOR", "Accepted for compatibility; only the system's allocator is built in"),
    variable("PANTRY_ALLOW_PROJECT_AUTH", "1: credentials and ${VAR} in a project's files count"),
    variable("MZ", "The MinZ compiler (default: mz on the PATH)"),
    variable("MINZ_*, DEBUG", "The MinZ compiler's own; what it made with others is not used again"),
    variable("HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY", "Proxies and who needs none; lower case too"),
    variable(
        "SSL_CERT_FILE, NODE_EXTRA_CA_CERTS",
        "Certificates to trust: in place of the system's, in addition",
    ),
    variable("npm_config_*", "npm's settings, such as npm_config_registry"),
    variable("NO_COLOR, FORCE_COLOR, CLICOLOR_FORCE", "Colour never, colour always"),
    variable("CI, TERM, LC_ALL, LC_CTYPE, LANG", "Decide about progress bars, colour and symbols"),
    variable("HOME, PATH, TMPDIR", "As everywhere"),
];
