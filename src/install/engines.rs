//! Packages that are not for the user's node: optional ones are left out,
//! others are installed with a warning, or refused (npm's `engine-strict`).

use super::select::Selection;
use crate::error::{Error, Result, Status};
use crate::resolve::engines::{Node, wanted};
use crate::resolve::graph::{Graph, PackageId};
use mirror::name::escape;

/// So many are named; the others are counted.
const MOST_NAMED: usize = 10;

pub struct Engines {
    pub node: Node,
    /// None may be installed.
    pub strict: bool,
    /// The manifests of the project, each with its range.
    pub own: Vec<(String, String)>,
}

impl Engines {
    /// Whatever is not for this node.
    pub fn unfit(&self, graph: &Graph) -> Vec<PackageId> {
        // Packages of one house write the same range.
        let mut known: Vec<(&str, bool)> = Vec::new();
        let unfit = |id: &PackageId| {
            let engines = &graph.package(*id).engines;
            let Some(range) = wanted(engines) else { return false };
            if let Some((_, fits)) = known.iter().find(|(text, _)| *text == range) {
                return !fits;
            }
            let fits = self.node.fits(engines);
            known.push((range, fits));
            !fits
        };
        graph.ids().filter(unfit).collect()
    }

    /// What is to be said of those that are installed all the same.
    pub fn check(&self, graph: &Graph, selection: &Selection, unfit: &[PackageId]) -> Result<Vec<String>> {
        let own = |(_, range): &&(String, String)| !self.node.fits(&[("node".into(), range.clone())]);
        let own = self.own.iter().filter(own).map(|(file, range)| (file.clone(), range.as_str()));
        let packages = unfit.iter().filter(|id| selection.included[id.index()]).map(|id| {
            let package = graph.package(*id);
            let range = wanted(&package.engines).unwrap_or_default();
            (format!("{}@{}", package.name, package.version), range)
        });
        let Some(node) = self.node.version() else { return Ok(Vec::new()) };
        let say = |(what, range): (String, &str)| {
            format!("{} is for node {}, and here is {node}", escape(&what), escape(range))
        };
        let mut words: Vec<String> = own.chain(packages).map(say).collect();
        if self.strict && !words.is_empty() {
            let message = words.swap_remove(0);
            let hints = vec!["engine-strict is set: without it this is a warning".into()];
            return Err(Error::Other { status: Status::Failed, message, hints }.into());
        }
        let more = words.len().saturating_sub(MOST_NAMED);
        words.truncate(MOST_NAMED);
        if more > 0 {
            words.push(format!("{more} more packages are not for node {node}"));
        }
        Ok(words)
    }
}
