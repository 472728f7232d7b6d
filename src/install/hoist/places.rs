//! Folders that lie elsewhere than the graph alone would have them.
//!
//! npm's layout depends on what it tried on the way: a version that stood at
//! the top for a moment has others nested below it that stay there when it is
//! gone. So beside a graph stand the paths of those folders
//! ([`Graph::places`]): where a package needs one of these names and would
//! look into that folder first, it is put there, as long as nobody else is
//! robbed of what he needs. All else follows as ever. A path that nothing
//! needs means nothing, so leftovers of a merge do no harm, and whatever the
//! paths are, what the hoister promises of its result holds.

use super::{Hoister, NONE, Need};
use crate::resolve::Failure;
use crate::resolve::graph::Graph;
use mirror::name::PackageName;

/// A tree of folders that is to come about again; its folders are numbers.
pub trait Model {
    /// An importer, by its path.
    fn importer(&self, path: &str) -> Option<u32>;
    /// What is found under a name from a folder upwards, and the folder in whose `node_modules` it lies.
    fn find(&self, from: u32, alias: &PackageName) -> Option<(u32, u32)>;
}

/// Each round adds what the one before came to too late; real trees take two.
const MOST_ROUNDS: usize = 20;

/// The [`Graph::places`] with which `graph` is laid out as `model` is; none where it is anyway.
pub fn places(graph: &Graph, model: &dyn Model) -> Result<Vec<String>, Failure> {
    let (mut places, mut looks) = (Vec::new(), 0);
    for _ in 0..MOST_ROUNDS {
        let mut hoister = Hoister::new(graph, &places, Some(model));
        // All rounds together may look as long as one.
        hoister.looks.set(looks);
        hoister.run()?;
        looks = hoister.looks.get();
        let new = hoister.deviations;
        if new.is_empty() {
            break;
        }
        places.extend(new);
        mirror::order::sort(&mut places);
        places.dedup();
    }
    Ok(places)
}

impl Hoister<'_> {
    /// The folder that is recorded as the place of what `folder` needs.
    pub(super) fn recorded(&self, folder: u32, need: Need) -> Option<u32> {
        if !self.is_recorded[need.alias as usize] {
            return None;
        }
        let is_there = |at: u32| {
            let path = self.path_in(at, need.alias);
            self.places.binary_search(&path).is_ok()
        };
        self.upwards(folder, need, &is_there)
    }

    /// The folder in which the model has it, where that is not the usual one.
    pub(super) fn modelled(&self, model: &dyn Model, folder: u32, need: Need, usual: u32) -> Option<u32> {
        let from = self.folders[folder as usize].model?;
        let (above, _) = model.find(from, self.aliases[need.alias as usize])?;
        let at = self.upwards(folder, need, &|at| self.folders[at as usize].model == Some(above))?;
        (at != usual).then_some(at)
    }

    /// The first of `folder` and those around it that `is` accepts, unless something of that name is in the way.
    fn upwards(&self, folder: u32, need: Need, is: &dyn Fn(u32) -> bool) -> Option<u32> {
        let mut at = folder;
        while at != NONE && self.child(at, need.alias).is_none() {
            if is(at) {
                return (at == folder || self.is_open(at, need.alias, need.target)).then_some(at);
            }
            at = self.folders[at as usize].parent;
        }
        None
    }

    pub(super) fn path_in(&self, at: u32, alias: u32) -> String {
        let mut path = String::new();
        self.path(at, &mut path);
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str("node_modules/");
        path.push_str(self.aliases[alias as usize].as_str());
        path
    }
}
