//! The last step of a pull: what the index has to know besides the archives
//! that came, so that a run without a network chooses as one with it.

use super::Run;
use crate::error::Result;
use crate::install::fill::record_key;
use crate::resolve::graph::PackageId;
use crate::resolve::spec::{Spec, Wanted};
use mirror::order::Map;
use mirror::record::{Key, Location, Record, VersionRecord};
use mirror::{Batch, Mirror};
use std::collections::HashMap;

impl Run<'_> {
    /// What a lock says of dist-tags: those that somebody asked for, and what they came to.
    fn locked_tags(&self) -> HashMap<Key, Vec<(String, String)>> {
        let wanted = self.graph.importers.iter().flat_map(|i| &i.dependencies);
        let wanted = wanted.map(|w| (&w.range, w.target));
        let edges = self.graph.packages.iter().flat_map(|p| &p.dependencies);
        let edges = edges.map(|e| (&e.range, e.target));
        let mut tags: HashMap<Key, Vec<(String, String)>> = HashMap::new();
        for (range, target) in wanted.chain(edges) {
            if let (Wanted::Tag(tag), Some(id)) = (Spec::parse(range).wanted, target) {
                let package = self.graph.package(id);
                let tag = (tag.to_string(), package.version.to_string());
                tags.entry(record_key(package)).or_default().push(tag);
            }
        }
        tags
    }

    /// What the graph names and this mirror was not to take (other platforms'
    /// packages), dist-tags, dates and, if asked for, all other versions.
    pub(super) fn index(&self, target: &Mirror, waiting: &mut dyn FnMut(&str)) -> Result<()> {
        let target = target.refresh()?;
        let batch = Batch::begin(&target, 0)?;
        let mut named: Map<Key, Vec<PackageId>> = Map::new();
        for id in self.graph.ids().filter(|id| !self.graph.package(*id).is_local()) {
            named.or_insert_with(record_key(self.graph.package(id)), Vec::new).push(id);
        }
        let locked_tags = self.locked_tags();
        for (key, ids) in named.iter() {
            let view = self.records.get(key);
            if let (Some(view), true) = (&view, self.options.keep_all) {
                batch.put_view(view)?;
                continue;
            }
            let here = target.lookup(key)?;
            let mut versions = Vec::new();
            for &id in ids {
                let version = VersionRecord { location: Location::Absent, ..self.version(id)? };
                if versions.last().is_none_or(|last: &VersionRecord| last.version != version.version) {
                    versions.push(version);
                }
            }
            let is_named = |text: &str| {
                here.as_ref().is_some_and(|h| h.find(text).is_some())
                    || versions.iter().any(|v| v.version.to_string() == text)
            };
            let tags = view.iter().flat_map(|v| v.tags());
            let mut tags: Vec<(String, String)> =
                tags.filter(|(_, v)| is_named(v)).map(|(t, v)| (t.to_string(), v.to_string())).collect();
            if view.is_none() && here.as_ref().is_none_or(|h| h.tags().next().is_none()) {
                tags.extend(locked_tags.get(key).into_iter().flatten().cloned());
            }
            batch.put(&Record {
                key: key.clone(),
                complete: false,
                checked: view.as_ref().map_or(0, |v| v.checked()),
                etag: String::new(),
                modified: view.as_ref().map_or(0, |v| v.modified()),
                tags,
                versions,
            })?;
        }
        batch.commit(waiting)?;
        Ok(())
    }
}
