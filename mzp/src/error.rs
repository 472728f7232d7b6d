//! What can go wrong in the MinZ mode, as data. Its [`Display`](fmt::Display)
//! is the only place that words it; hints are the caller's business.

use crate::place::Place;
use crate::platform::Platform;
use crate::solve::Conflict;
use mirror::archive::ArchiveError;
use mirror::http::{HttpError, Url};
use mirror::name::{MinzName, NameError, escape};
use mirror::version::Version;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug)]
pub enum Error {
    /// A file operation failed.
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// A text file of the project that is far too long to be one.
    TooLong {
        path: PathBuf,
        limit: u64,
    },
    /// No `mzp.toml` here or in any folder above.
    NoProject {
        start: PathBuf,
    },
    /// Not TOML.
    Syntax {
        place: Place,
        message: String,
    },
    UnknownKey {
        place: Place,
        table: String,
        key: String,
        suggestion: Option<String>,
    },
    /// A value of the wrong type.
    Type {
        place: Place,
        key: String,
        expected: &'static str,
    },
    /// A table or a list with more entries than are read.
    TooMany {
        place: Place,
        key: String,
        limit: usize,
    },
    Missing {
        place: Place,
        table: String,
        key: &'static str,
    },
    /// A name, version, range or path that breaks its grammar.
    Name {
        place: Place,
        source: NameError,
    },
    UnknownPlatform {
        place: Option<Place>,
        name: String,
        suggestion: Option<String>,
    },
    /// The project or one of its packages is not made for the target.
    Unsupported {
        package: MinzName,
        platform: &'static str,
        supported: Vec<&'static str>,
    },
    Feature {
        place: Option<Place>,
        package: MinzName,
        feature: String,
        problem: FeatureProblem,
    },
    /// What is published may need packages by name only.
    Source {
        place: Place,
        name: MinzName,
        kind: &'static str,
    },
    /// The same of somebody else's package.
    Foreign {
        package: String,
        name: MinzName,
        kind: &'static str,
    },
    /// A name that is to come from two places.
    TwoOrigins {
        place: Option<Place>,
        name: MinzName,
        origins: [String; 2],
    },
    /// A folder that is not the package that a dependency says.
    Folder {
        place: Place,
        path: PathBuf,
        what: String,
    },
    /// Between here and a server.
    Http {
        source: Box<HttpError>,
    },
    /// A server answered, and not with what was asked for.
    Answer {
        url: Box<Url>,
        status: u16,
    },
    /// What a registry says of a package cannot be used, or (`refused`) not be trusted.
    Document {
        url: Box<Url>,
        what: String,
        refused: bool,
    },
    /// What is in no mirror, and there is to be no network.
    NotHere {
        what: String,
    },
    /// A repository of which no release is known.
    NoRelease {
        repository: String,
    },
    /// mzp.lock cannot be used.
    Lock {
        place: Place,
        what: String,
    },
    /// mzp.lock does not say what mzp.toml asks for.
    LockStale {
        path: PathBuf,
        what: String,
    },
    /// A package that no mirror knows; who asked for it, from the project down.
    UnknownPackage {
        name: MinzName,
        chain: Vec<String>,
        suggestion: Option<String>,
        /// The registry that was asked too.
        registry: Option<String>,
    },
    /// A version that is in no mirror.
    AbsentVersion {
        name: MinzName,
        version: Version,
        present: Vec<Version>,
    },
    Conflict(Box<Conflict>),
    /// Two mirrors, or a mirror and the lock, disagree about an archive.
    HashMismatch {
        name: MinzName,
        version: Version,
        expected: String,
        found: String,
    },
    /// An archive refused by the archive policy; already worded by it.
    Archive {
        package: String,
        source: Box<ArchiveError>,
    },
    /// A mirror that cannot be read.
    Mirror {
        source: Box<mirror::Error>,
    },
    /// A name that mzp.toml or mzp.lock would have to have.
    NotNamed {
        file: &'static str,
        name: MinzName,
        suggestion: Option<String>,
    },
    /// No mzp.lock where one is needed.
    NoLock {
        path: PathBuf,
    },
    /// A folder in `packages/` that mzp did not put there.
    NotOurs {
        path: PathBuf,
    },
    /// A package's folder is not there, though the lock has it.
    NotInstalled {
        name: MinzName,
        path: PathBuf,
    },
    /// MinZ text that cannot be read as far as mzp needs to.
    Text {
        place: Place,
        what: &'static str,
    },
    /// A condition of `@if` that names nothing mzp knows.
    Condition {
        place: Place,
        word: String,
        suggestion: Option<String>,
    },
    /// A file that cannot be included.
    Include {
        place: Place,
        path: String,
        source: io::Error,
    },
    MissingImport {
        place: Place,
        module: String,
        problem: ImportProblem,
    },
    /// A reference to something that a module has not or keeps to itself.
    Reference {
        place: Place,
        module: String,
        name: String,
        private: bool,
        suggestion: Option<String>,
    },
    /// No `fun main` in the program's main file.
    NoMain {
        path: PathBuf,
    },
    /// More than the compiler's job can hold.
    TooLarge {
        what: &'static str,
        limit: usize,
    },
    Compiler(Box<CompilerFailure>),
    /// None of the assemblers for a platform is here.
    NoAssembler {
        platform: &'static Platform,
        known: Vec<&'static str>,
    },
    Assembler(Box<AssemblerFailure>),
    /// An image that does not fit into the machine.
    TooBig {
        platform: &'static Platform,
        bytes: usize,
    },
    /// A container that a platform's machines do not load; those that they do.
    WrongContainer {
        platform: &'static Platform,
        container: &'static str,
        fits: Vec<&'static str>,
    },
    /// A version that is there already, with other bytes.
    Taken {
        name: MinzName,
        version: Version,
        place: PathBuf,
    },
    /// What is published must be whole.
    Pack {
        path: PathBuf,
        what: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeatureProblem {
    Unknown {
        suggestion: Option<String>,
    },
    /// The names of the ring.
    Cycle(Vec<String>),
    /// `package/feature` names no dependency.
    NoDependency(String),
    /// It needs a dependency that is to go.
    Needs(MinzName),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportProblem {
    /// Nothing of that name anywhere; the package that would have it.
    Unknown { package: Option<MinzName> },
    /// The package is here, but the importer does not depend on it.
    Undeclared { package: MinzName, importer: String },
    /// The package is here and has no such module; what it has.
    NoModule { package: MinzName, modules: Vec<String>, file: String },
    /// The module belongs to a feature that is off.
    FeatureOff { package: MinzName, feature: String },
    /// Two packages could be meant.
    Ambiguous { candidates: Vec<String> },
}

/// How an assembler failed: its own words.
#[derive(Debug)]
pub struct AssemblerFailure {
    pub program: &'static str,
    pub messages: Vec<String>,
}

/// How the compiler failed.
#[derive(Debug)]
pub struct CompilerFailure {
    pub program: PathBuf,
    pub kind: CompilerProblem,
    /// Its messages, mapped to the user's files where they could be.
    pub messages: Vec<Message>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum CompilerProblem {
    /// No such program.
    NotFound,
    NotStarted(String),
    /// Exit status, or `None` when a signal ended it.
    Status(Option<i32>),
    TimedOut(Duration),
    /// It succeeded and warned: a function is missing in what it wrote.
    Warned,
    /// It succeeded and wrote nothing that starts: a syntax error it kept to itself.
    NoEntry,
    NoOutput(PathBuf),
    /// Its parser (tree-sitter) is not set up.
    NoParser,
}

/// One message of the compiler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub place: Option<Place>,
    pub text: String,
}

fn list<T: fmt::Display>(items: &[T]) -> String {
    items.iter().map(|i| escape(&i.to_string()).into_owned()).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { action, path, source } => {
                write!(f, "cannot {action} {}: {source}", escape(&path.to_string_lossy()))
            }
            Self::TooLong { path, limit } => {
                write!(f, "{}: longer than {limit} bytes", escape(&path.to_string_lossy()))
            }
            Self::NoProject { start } => {
                write!(f, "no mzp.toml in {} or any folder above it", escape(&start.to_string_lossy()))
            }
            Self::Syntax { place, message } => write!(f, "{place}: {}", escape(message)),
            Self::UnknownKey { place, table, key, .. } => {
                write!(f, "{place}: unknown key `{}` in {}", escape(key), escape(table))
            }
            Self::Type { place, key, expected } => write!(f, "{place}: `{}` must be {expected}", escape(key)),
            Self::TooMany { place, key, limit } => {
                write!(f, "{place}: `{}` has more than {limit} entries", escape(key))
            }
            Self::Missing { place, table, key } => {
                write!(f, "{place}: {} has no `{key}`", escape(table))
            }
            Self::Name { place, source } => write!(f, "{place}: {source}"),
            Self::UnknownPlatform { place, name, .. } => {
                if let Some(place) = place {
                    write!(f, "{place}: ")?;
                }
                write!(f, "unknown target `{}`", escape(name))
            }
            Self::Unsupported { package, platform, supported } => {
                write!(f, "{package} does not support {platform} (it supports {})", list(supported))
            }
            Self::Feature { place, package, feature, problem } => {
                if let Some(place) = place {
                    write!(f, "{place}: ")?;
                }
                let feature = escape(feature);
                match problem {
                    FeatureProblem::Unknown { .. } => write!(f, "{package} has no feature `{feature}`"),
                    FeatureProblem::Cycle(ring) => {
                        write!(f, "feature `{feature}` of {package} needs itself: {}", ring.join(" -> "))
                    }
                    FeatureProblem::NoDependency(name) => write!(
                        f,
                        "feature `{feature}` of {package} names `{}`, which is not one of its dependencies",
                        escape(name)
                    ),
                    FeatureProblem::Needs(name) => {
                        write!(f, "feature `{feature}` of {package} needs {name}")
                    }
                }
            }
            Self::Source { place, name, kind } => {
                write!(f, "{place}: {name} comes from {kind}, where those who use this package cannot get it")
            }
            Self::Foreign { package, name, kind } => {
                write!(f, "{} takes {name} from {kind}, which only a project itself may do", escape(package))
            }
            Self::TwoOrigins { place, name, origins: [a, b] } => {
                if let Some(place) = place {
                    write!(f, "{place}: ")?;
                }
                write!(f, "{name} would come from two places: {} and {}", escape(a), escape(b))
            }
            Self::Folder { place, path, what } => {
                write!(f, "{place}: {} {}", escape(&path.to_string_lossy()), escape(what))
            }
            Self::Http { source } => source.fmt(f),
            Self::Answer { url, status } => write!(f, "{url} answered with status {status}"),
            Self::Document { url, what, .. } => write!(f, "{url} {}", escape(what)),
            Self::NotHere { what } => {
                write!(f, "{} is in no mirror here, and offline nobody is asked", escape(what))
            }
            Self::NoRelease { repository } => {
                write!(f, "{} has no release that can be seen", escape(repository))
            }
            Self::Lock { place, what } => write!(f, "{place}: {}", escape(what)),
            Self::LockStale { path, what } => {
                write!(f, "{} does not match mzp.toml: {}", escape(&path.to_string_lossy()), escape(what))
            }
            Self::UnknownPackage { name, chain, registry, .. } => {
                write!(f, "{name} is in no mirror")?;
                if let Some(registry) = registry {
                    write!(f, ", and {} does not have it", escape(registry))?;
                }
                if !chain.is_empty() {
                    write!(f, " (needed by {})", chain.join(" -> "))?;
                }
                Ok(())
            }
            Self::AbsentVersion { name, version, present } => {
                write!(f, "the archive of {name} {version} is in no mirror")?;
                if present.is_empty() { Ok(()) } else { write!(f, " (present: {})", list(present)) }
            }
            Self::Conflict(conflict) => conflict.fmt(f),
            Self::HashMismatch { name, version, expected, found } => write!(
                f,
                "the archive of {name} {version} is not the one expected: sha256 {expected} expected, {found} found"
            ),
            Self::Archive { package, source } => write!(f, "{}: {source}", escape(package)),
            Self::Mirror { source } => source.fmt(f),
            Self::NotNamed { file, name, .. } => write!(f, "{name} is not in {file}"),
            Self::NoLock { path } => write!(f, "{} is missing", escape(&path.to_string_lossy())),
            Self::NotOurs { path } => {
                write!(f, "{} was not put there by mzp", escape(&path.to_string_lossy()))
            }
            Self::NotInstalled { name, path } => {
                write!(f, "{name} is not installed ({} is missing)", escape(&path.to_string_lossy()))
            }
            Self::Text { place, what } => write!(f, "{place}: {what}"),
            Self::Condition { place, word, .. } => {
                write!(f, "{place}: `{}` is nothing that @if can ask for", escape(word))
            }
            Self::Include { place, path, source } => {
                write!(f, "{place}: cannot include {}: {source}", escape(path))
            }
            Self::MissingImport { place, module, problem } => {
                let module = escape(module);
                match problem {
                    ImportProblem::Unknown { .. } => write!(f, "{place}: cannot find module `{module}`"),
                    ImportProblem::Undeclared { package, importer } => write!(
                        f,
                        "{place}: `{module}` is in {package}, which {} does not depend on",
                        escape(importer)
                    ),
                    ImportProblem::NoModule { package, modules, file } => {
                        write!(f, "{place}: {package} has no module `{module}` (no {})", escape(file))?;
                        if modules.is_empty() { Ok(()) } else { write!(f, "; it has {}", list(modules)) }
                    }
                    ImportProblem::FeatureOff { package, feature } => write!(
                        f,
                        "{place}: `{module}` belongs to the feature `{}` of {package}, which is not enabled",
                        escape(feature)
                    ),
                    ImportProblem::Ambiguous { candidates } => {
                        write!(f, "{place}: `{module}` can mean {}", list(candidates))
                    }
                }
            }
            Self::Reference { place, module, name, private, .. } => {
                let (module, name) = (escape(module), escape(name));
                if *private {
                    write!(f, "{place}: `{name}` is private in {module} (it is not `pub`)")
                } else {
                    write!(f, "{place}: {module} has no `{name}`")
                }
            }
            Self::NoMain { path } => write!(f, "{}: no `fun main`", escape(&path.to_string_lossy())),
            Self::TooLarge { what, limit } => write!(f, "more than {limit} {what}"),
            Self::Compiler(failure) => failure.fmt(f),
            Self::NoAssembler { platform, known } if known.is_empty() => {
                write!(f, "nothing here assembles for {platform}")
            }
            Self::NoAssembler { platform, known } => {
                write!(f, "no assembler for {platform} is here (looked for {})", list(known))
            }
            Self::Assembler(failure) => {
                write!(f, "{} could not assemble what the compiler wrote", failure.program)?;
                failure.messages.iter().try_for_each(|m| write!(f, "\n  {}", escape(m)))
            }
            Self::TooBig { platform, bytes } => {
                write!(f, "the program has {bytes} bytes, and {platform} has room for {}", platform.memory)
            }
            Self::WrongContainer { platform, container, fits } => {
                write!(f, "{platform} does not load .{container} files; it loads {}", list(fits))
            }
            Self::Taken { name, version, place } => {
                write!(
                    f,
                    "{name} {version} is in {} already, with other bytes",
                    escape(&place.to_string_lossy())
                )
            }
            Self::Pack { path, what } => write!(f, "{}: {}", escape(&path.to_string_lossy()), escape(what)),
        }
    }
}

impl fmt::Display for CompilerFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = self.program.to_string_lossy();
        let program = escape(&program);
        match &self.kind {
            CompilerProblem::NotFound => write!(f, "the MinZ compiler `{program}` is not here")?,
            CompilerProblem::NotStarted(why) => write!(f, "cannot start {program}: {}", escape(why))?,
            CompilerProblem::Status(Some(n)) => write!(f, "{program} failed with status {n}")?,
            CompilerProblem::Status(None) => write!(f, "{program} was ended by a signal")?,
            CompilerProblem::TimedOut(t) => {
                let seconds = format!("{}.{:03}", t.as_secs(), t.subsec_millis());
                let seconds = seconds.trim_end_matches('0').trim_end_matches('.');
                write!(f, "{program} did not finish within {seconds} seconds and was stopped")?;
            }
            CompilerProblem::Warned => {
                write!(f, "{program} left something out of its output (it only warned)")?;
            }
            CompilerProblem::NoEntry => write!(
                f,
                "{program} wrote a program without `main`: it dropped a part that it could not read, without a word"
            )?,
            CompilerProblem::NoOutput(path) => {
                write!(
                    f,
                    "{program} reported success and did not write {}",
                    escape(&path.to_string_lossy())
                )?;
            }
            CompilerProblem::NoParser => write!(f, "{program} cannot use its parser")?,
        }
        for m in &self.messages {
            match &m.place {
                Some(place) => write!(f, "\n  {place}: {}", escape(&m.text))?,
                None => write!(f, "\n  {}", escape(&m.text))?,
            }
        }
        Ok(())
    }
}
impl std::error::Error for Error {}

impl From<mirror::Error> for Error {
    fn from(error: mirror::Error) -> Self {
        match error {
            mirror::Error::Io { action, path, source } => Self::Io { action, path, source },
            other => Self::Mirror { source: Box::new(other) },
        }
    }
}

impl From<HttpError> for Error {
    fn from(source: HttpError) -> Self {
        Self::Http { source: Box::new(source) }
    }
}

impl Error {
    /// For `map_err`: `.map_err(Error::io("read", path))`.
    pub fn io<'a>(action: &'static str, path: &'a std::path::Path) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::Io { action, path: path.into(), source }
    }

    /// Where in the user's files it happened, for quoting the line.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Syntax { place, .. }
            | Self::UnknownKey { place, .. }
            | Self::Type { place, .. }
            | Self::TooMany { place, .. }
            | Self::Missing { place, .. }
            | Self::Name { place, .. }
            | Self::Source { place, .. }
            | Self::Folder { place, .. }
            | Self::Lock { place, .. }
            | Self::Text { place, .. }
            | Self::Condition { place, .. }
            | Self::Include { place, .. }
            | Self::MissingImport { place, .. }
            | Self::Reference { place, .. } => Some(place),
            Self::UnknownPlatform { place, .. }
            | Self::Feature { place, .. }
            | Self::TwoOrigins { place, .. } => place.as_ref(),
            Self::Compiler(failure) => failure.messages.iter().find_map(|m| m.place.as_ref()),
            _ => None,
        }
    }
}
