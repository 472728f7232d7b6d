//! `pantry audit`: what registries know against the versions that are locked.
//!
//! npm's own question, `POST …/-/npm/v1/security/advisories/bulk` with names and versions, to the registry that each
//! name belongs to: the names of a scope's own registry are nobody else's business. No answer, or one that cannot be
//! read, is never «no vulnerabilities».

use super::mirror::count;
use crate::cli::Invocation;
use crate::error::{Error, Result, Status};
use crate::install::platform::Platform;
use crate::install::select::select;
use crate::json::{self, Kind, Scanner, Syntax, loose, push_string};
use crate::project::{How, Session};
use crate::resolve::graph::{Graph, PackageId};
use crate::resolve::range::Range;
use crate::settings::Settings;
use crate::source::npm::registry::Registry;
use crate::ui::Ui;
use mirror::http::{HttpError, Request, Url};
use mirror::name::escape;
use std::time::Duration;

const ENDPOINT: &str = "-/npm/v1/security/advisories/bulk";
/// Bytes of an answer.
const CAP: u64 = 64 << 20;
/// From the least to the worst. A word that is none of these counts as the worst.
const LEVELS: [&str; 5] = ["info", "low", "moderate", "high", "critical"];

struct Advisory {
    /// The package that it is about.
    name: String,
    id: String,
    url: String,
    title: String,
    /// Index into [`LEVELS`].
    level: usize,
    /// As it was written.
    range: String,
}

impl Advisory {
    /// What cannot be read as a range is every version.
    fn concerns(&self, version: &mirror::version::Version) -> bool {
        Range::parse_strict(&self.range).is_none_or(|range| range.covers(version))
    }

    /// By its number, or by the last part of its address (`GHSA-…`).
    fn is_called(&self, word: &str) -> bool {
        self.id == word || self.url.rsplit('/').next() == Some(word)
    }
}

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let how = How::of(invocation);
    let session = Session::open(how, settings, ui)?;
    let graph = session.locked()?;
    let included = select(&graph, how.groups, &Platform::current(), &[], &[], None).included;
    let network = session.network(ui)?;
    let ignored = invocation.texts("ignore")?;
    let least = invocation.text("audit-level")?.unwrap_or("low");
    let least = LEVELS.iter().position(|level| *level == least).unwrap_or(0);
    let ids: Vec<PackageId> =
        graph.ids().filter(|id| included[id.index()] && !graph.package(*id).is_local()).collect();
    let mut groups: Vec<(Registry, Vec<PackageId>)> = Vec::new();
    for id in &ids {
        let registry = network.registries.of(&graph.package(*id).name)?;
        match groups.iter_mut().find(|(known, _)| known.source == registry.source) {
            Some((_, group)) => group.push(*id),
            None => groups.push((registry, vec![*id])),
        }
    }
    let mut advisories = Vec::new();
    for (registry, group) in &groups {
        let url = registry.url.with(ENDPOINT)?;
        if settings.offline.is_some() {
            return Err(HttpError::Offline { url }.into());
        }
        let credential = network.registries.credential(&url);
        let body = question(&graph, group);
        let request = Request {
            accept: Some("application/json"),
            body: Some(body.as_bytes()),
            credential: credential.as_deref(),
            gzip: true,
            cap: CAP,
            deadline: Duration::from_secs(60),
            ..Request::new(&url)
        };
        let response = network.client.get(&request)?;
        if response.status != 200 {
            let concerning = "the advisories".to_string();
            return Err(Box::new(Error::Answer { url: Box::new(url), status: response.status, concerning }));
        }
        let bytes = response.body.read_whole()?;
        advisories.extend(read(&bytes).map_err(|_| unreadable(&url))?);
    }
    let mut found: Vec<(&Advisory, PackageId)> = Vec::new();
    for advisory in advisories.iter().filter(|a| !ignored.iter().any(|word| a.is_called(word))) {
        let hit = |id: &&PackageId| {
            let package = graph.package(**id);
            package.name.as_str() == advisory.name && advisory.concerns(&package.version)
        };
        found.extend(ids.iter().filter(hit).map(|id| (advisory, *id)));
    }
    mirror::order::sort_by(&mut found, |a: &(&Advisory, PackageId), b: &(&Advisory, PackageId)| {
        (b.0.level, a.1, &a.0.id).cmp(&(a.0.level, b.1, &b.0.id))
    });
    let failing = found.iter().any(|(advisory, _)| advisory.level >= least);
    show(&found, &graph, ids.len(), ui)?;
    Ok(if failing { Status::Failed } else { Status::Done })
}

/// `{"name": ["version", …], …}`; packages of one name stand together.
fn question(graph: &Graph, ids: &[PackageId]) -> String {
    let mut body = String::from("{");
    let mut before = "";
    for id in ids {
        let package = graph.package(*id);
        if package.name.as_str() == before {
            body.push(',');
        } else {
            body.push_str(if before.is_empty() { "" } else { "]," });
            push_string(&mut body, package.name.as_str());
            body.push_str(":[");
            before = package.name.as_str();
        }
        push_string(&mut body, &package.version.to_string());
    }
    body.push_str(if before.is_empty() { "}" } else { "]}" });
    body
}

fn read(bytes: &[u8]) -> std::result::Result<Vec<Advisory>, json::Error> {
    let mut json = Scanner::new(json::text(bytes)?, Syntax::Json);
    let mut all = Vec::new();
    json.object()?;
    while let Some(name) = json.key()? {
        json.array()?;
        while json.element()? {
            let mut one = Advisory {
                name: name.name.clone().into_owned(),
                id: String::new(),
                url: String::new(),
                title: String::new(),
                level: LEVELS.len() - 1,
                range: String::new(),
            };
            json.object()?;
            while let Some(key) = json.key()? {
                let into = match &*key.name {
                    "id" if json.peek()? != Kind::String => {
                        one.id = json.skip()?.to_string();
                        continue;
                    }
                    "id" => &mut one.id,
                    "url" => &mut one.url,
                    "title" => &mut one.title,
                    "vulnerable_versions" => &mut one.range,
                    "severity" => {
                        let word = loose::text(&mut json)?.unwrap_or_default();
                        let known = LEVELS.iter().position(|level| *level == word);
                        one.level = known.unwrap_or(LEVELS.len() - 1);
                        continue;
                    }
                    _ => {
                        json.skip()?;
                        continue;
                    }
                };
                *into = loose::text(&mut json)?.unwrap_or_default().into_owned();
            }
            all.push(one);
        }
    }
    json.end()?;
    Ok(all)
}

fn unreadable(url: &Url) -> Box<Error> {
    Box::new(Error::Other {
        status: Status::Failed,
        message: format!("{url} did not answer with advisories"),
        hints: vec![
            "nothing is known about the packages; another registry may have advisories (--registry)".into(),
        ],
    })
}

fn show(found: &[(&Advisory, PackageId)], graph: &Graph, packages: usize, ui: &mut Ui) -> Result<()> {
    let of_level = |level: usize| found.iter().filter(|(a, _)| a.level == level).count();
    let via = |id: PackageId| graph.chain(id);
    if ui.is_json() {
        return ui.json(|o| {
            o.array("vulnerabilities", |list| {
                for (advisory, id) in found {
                    list.object(|o| {
                        o.text("id", &advisory.id);
                        o.text("name", &advisory.name);
                        o.text("version", &graph.package(*id).version.to_string());
                        o.text("severity", LEVELS[advisory.level]);
                        o.text("title", &advisory.title);
                        o.text("url", &advisory.url);
                        o.text("range", &advisory.range);
                        o.texts("via", via(*id));
                    });
                }
            });
            o.object("summary", |o| {
                o.number("packages", packages as u64);
                o.number("total", found.len() as u64);
                LEVELS.iter().enumerate().for_each(|(i, level)| o.number(level, of_level(i) as u64));
            });
        });
    }
    for (advisory, id) in found {
        let package = graph.package(*id);
        let (level, title, url) = (LEVELS[advisory.level], &advisory.title, &advisory.url);
        let mut line =
            format!("{level} {}@{}: {title} ({url}), in {}", package.name, package.version, advisory.range);
        let chain = via(*id);
        if !chain.is_empty() {
            line.extend([", by ", &chain.join(" -> ")]);
        }
        ui.line(&escape(&line))?;
    }
    let all = count(packages as u64, "package", "packages");
    if found.is_empty() {
        ui.success(&format!("No known vulnerabilities in {all}"));
    } else {
        let levels: Vec<String> = (0..LEVELS.len())
            .rev()
            .filter(|level| of_level(*level) > 0)
            .map(|level| format!("{} {}", of_level(level), LEVELS[level]))
            .collect();
        let total = count(found.len() as u64, "vulnerability", "vulnerabilities");
        ui.status(&format!("{total} in {all}: {}", levels.join(", ")));
        ui.hint(
            "`pantry update` takes newer versions within the ranges; `pantry why NAME` shows who needs one",
        );
    }
    Ok(())
}
