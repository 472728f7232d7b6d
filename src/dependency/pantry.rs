//! The specification's own dependency syntax (spec/dependency-syntax.md).

use super::{
    Dependency, LocalForm, Origin, Problem, Reference, Setting, Source, SourceResolution, Value, git_url,
    http_url, loose_version, npm, range_or_tag, repository, word,
};
use mirror::name::PackageName;

const TLDS: [&str; 6] = [".org", ".com", ".dev", ".io", ".sh", ".net"];

pub(super) fn parse(name: &str, value: &Value, resolution: &SourceResolution) -> Result<Dependency, Problem> {
    match value {
        Value::Text(version) => simple(name, version, resolution),
        Value::Options(options) => explicit(name, options),
    }
}

/// `"name": "version"`.
fn simple(name: &str, version: &str, resolution: &SourceResolution) -> Result<Dependency, Problem> {
    let found =
        |alias: &str, source| Ok(Dependency { alias: PackageName::parse(alias)?, source, global: false });
    let lower = name.to_ascii_lowercase();
    let is_git = name.ends_with(".git");
    if lower.starts_with("http://") || lower.starts_with("https://") || is_git {
        return if is_git {
            let (url, alias) = (git_url(name)?, last_part(name));
            found(alias, Source::Git { url, version: loose_version(version)?, reference: Reference::Default })
        } else {
            let (url, alias) = (http_url(name)?, archive_name(name)?);
            found(alias, Source::Http { url, version: loose_version(version)? })
        };
    }
    // A rule of the project comes before what a name looks like.
    let origin = resolution.preferred(name).map(|o| vec![o]).unwrap_or_else(|| look(name, resolution));
    let plain = !name.contains('/') || name.starts_with('@');
    if plain && is_locator(version) {
        // npm's own values: an alias, a folder, a member of the workspace.
        let alias = PackageName::parse(name)?;
        let source = npm::parse(&alias, version)?;
        return Ok(Dependency { alias, source, global: false });
    }
    match *origin {
        [Origin::Npm] => {
            let name = PackageName::parse(name)?;
            found(name.clone().as_str(), Source::Npm { name, range: range_or_tag(version)?, registry: None })
        }
        [Origin::Pkgx] => {
            let source = Source::Pkgx { project: project(name)?, version: loose_version(version)? };
            found(last_part(name), source)
        }
        [Origin::Github] => {
            let (owner, repo) = repository(name)?;
            let version = loose_version(version)?;
            found(&repo.clone(), Source::Github { owner, repo, version, reference: Reference::Default })
        }
        _ => {
            let name = PackageName::parse(name)?;
            let order = origin.clone();
            found(name.clone().as_str(), Source::Auto { name, range: range_or_tag(version)?, order })
        }
    }
}

/// Which sources a name can mean by its looks.
fn look(name: &str, resolution: &SourceResolution) -> Vec<Origin> {
    let is_domain = |s: &str| TLDS.iter().any(|t| s.len() > t.len() && s.ends_with(t));
    match name.split_once('/') {
        Some(_) if name.starts_with('@') => vec![Origin::Npm],
        // An owner's name has no dot: `gnu.org/gcc` can only be pkgx's.
        Some((owner, _)) if is_domain(owner) => vec![Origin::Pkgx],
        Some(_) => vec![Origin::Github],
        None if is_domain(name) => vec![Origin::Pkgx],
        None => resolution.order.clone(),
    }
}

/// A value that says more than a version does.
pub(super) fn is_locator(version: &str) -> bool {
    version.contains([':', '/']) || version.starts_with('.') || npm::is_archive(version)
}

/// A pkgx project: a domain, perhaps with a path. It becomes a URL path.
fn project(text: &str) -> Result<String, Problem> {
    let good = text.len() <= 200
        && text.split('/').all(|part| {
            !part.is_empty()
                && !part.starts_with(['.', '-'])
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.+".contains(&b))
        });
    if good { Ok(text.into()) } else { Err(Problem::Url(text.into())) }
}

/// The name that a URL or path ends in, without `.git`.
fn last_part(text: &str) -> &str {
    let end = text.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or(text);
    end.strip_suffix(".git").unwrap_or(end)
}

/// The name of the archive that a URL ends in, without its ending.
fn archive_name(url: &str) -> Result<&str, Problem> {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let file = last_part(path);
    [".tar.gz", ".tgz", ".tar.xz", ".zip"]
        .iter()
        .find_map(|e| file.strip_suffix(e))
        .filter(|stem| !stem.is_empty())
        .ok_or_else(|| Problem::Format(url.into()))
}

/// `"name": {"source": …}`.
fn explicit(name: &str, options: &[(String, Setting)]) -> Result<Dependency, Problem> {
    let text = |key: &str| match options.iter().find(|(k, _)| k == key) {
        None => Ok(None),
        Some((_, Setting::Text(t))) => Ok(Some(t.as_str())),
        Some(_) => Err(Problem::WrongKind { option: key.into(), expected: "a string" }),
    };
    let source = text("source")?.ok_or(Problem::NoSource)?;
    let (source, known): (&'static str, &[&str]) = match source {
        "github" => ("github", &["repo", "version", "tag"]),
        "npm" => ("npm", &["version", "registry"]),
        "http" => ("http", &["url", "version"]),
        "git" => ("git", &["url", "branch", "tag", "version"]),
        "pkgx" => ("pkgx", &["version"]),
        "local" => ("local", &["path"]),
        "auto" => ("auto", &["version"]),
        other => return Err(Problem::UnknownSource(other.into())),
    };
    if let Some((key, _)) = options
        .iter()
        .find(|(k, _)| !matches!(k.as_str(), "source" | "global") && !known.contains(&k.as_str()))
    {
        return Err(Problem::UnknownOption { source, option: key.clone() });
    }
    let global = match options.iter().find(|(k, _)| k == "global") {
        None => false,
        Some((_, Setting::Flag(flag))) => *flag,
        Some(_) => return Err(Problem::WrongKind { option: "global".into(), expected: "true or false" }),
    };
    let need = |option: &'static str| text(option)?.ok_or(Problem::Missing { source, option });
    let tag = text("tag")?.map(word).transpose()?;
    // The key of an explicit dependency is only the name it is installed under.
    let alias = || PackageName::parse(name);
    let (alias, source) = match source {
        "github" => {
            let (owner, repo) = repository(need("repo")?)?;
            let version = loose_version(text("version")?.unwrap_or("latest"))?;
            (
                alias()?,
                Source::Github {
                    owner,
                    repo,
                    version,
                    reference: tag.map_or(Reference::Default, Reference::Tag),
                },
            )
        }
        "npm" => {
            let (range, registry) =
                (range_or_tag(need("version")?)?, text("registry")?.map(http_url).transpose()?);
            (alias()?, Source::Npm { name: alias()?, range, registry })
        }
        "http" => {
            let url = http_url(need("url")?)?;
            archive_name(&url)?;
            (alias()?, Source::Http { url, version: loose_version(need("version")?)? })
        }
        "git" => {
            let url = git_url(need("url")?)?;
            let reference = match (text("branch")?.map(word).transpose()?, tag) {
                (Some(_), Some(_)) => return Err(Problem::BranchAndTag),
                (Some(branch), None) => Reference::Branch(branch),
                (None, Some(tag)) => Reference::Tag(tag),
                (None, None) => Reference::Default,
            };
            (alias()?, Source::Git { url, version: loose_version(need("version")?)?, reference })
        }
        "pkgx" => {
            let source = Source::Pkgx { project: project(name)?, version: loose_version(need("version")?)? };
            (PackageName::parse(last_part(name))?, source)
        }
        "local" => {
            let alias = alias()?;
            let path = need("path")?;
            if path.is_empty() || path.contains(|c: char| c.is_control()) {
                return Err(Problem::Path(path.into()));
            }
            (alias, Source::Local { path: path.into(), form: LocalForm::Folder })
        }
        _ => {
            let order = SourceResolution::default().order;
            (
                alias()?,
                Source::Auto {
                    name: alias()?,
                    range: range_or_tag(text("version")?.unwrap_or("latest"))?,
                    order,
                },
            )
        }
    };
    Ok(Dependency { alias, source, global })
}
