//! What a project wants in place of what its packages ask for: npm's
//! `overrides`, yarn's `resolutions`, pnpm's `overrides`.
//!
//! Rules are a tree, as the manifest nests them. Every folder of the tree that
//! is being built stands under one rule (its context): the project under the
//! root; a dependency under the rule that matches it in its dependant's
//! context, else under that context itself. Where several dependants bring
//! different contexts, the more specific one holds. (npm: OverrideSet.)

use super::names::{Name, Names, SpecId};
use super::range::Range;
use super::spec::{Spec, Wanted};
use mirror::name::PackageName;
use std::fmt;

/// One rule as the manifest has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// From outside to inside; the last one is what gets another value.
    pub path: Vec<Selector>,
    /// A dependency's value, `$name` already replaced.
    pub value: String,
    /// The project's own dependencies get it, too (yarn, pnpm); otherwise one
    /// that asks for something else is an error (npm).
    pub overrules: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    pub name: PackageName,
    /// Only dependencies whose range has something in common with this one; empty: all.
    pub range: String,
    /// Only a dependency of the one before itself (pnpm, yarn), not of all that is under it (npm).
    pub direct: bool,
}

impl fmt::Display for Override {
    /// `a >> b@^1` (anywhere under a), `a > b` (a's own dependency).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, s) in self.path.iter().enumerate() {
            let (between, at) =
                (if s.direct { " > " } else { " >> " }, if s.range.is_empty() { "" } else { "@" });
            write!(f, "{}{}{at}{}", if i == 0 { "" } else { between }, s.name, s.range)?;
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleId(pub u32);

/// No context yet, or no rules at all.
pub const NONE: RuleId = RuleId(u32::MAX);
/// The project's own.
pub const ROOT: RuleId = RuleId(0);

struct Rule {
    parent: RuleId,
    name: Name,
    range: Box<str>,
    key: Option<Range>,
    value: Option<SpecId>,
    direct: bool,
    overrules: bool,
    /// Not only on the way to others.
    given: bool,
    children: Vec<RuleId>,
}

/// Empty when there is no override: then no context is ever looked at.
#[derive(Default)]
pub struct Rules(Vec<Rule>);

impl Rules {
    pub fn new(overrides: &[Override], names: &mut Names) -> Self {
        let mut rules = Self::default();
        if overrides.is_empty() {
            return rules;
        }
        rules.add(ROOT, Name(u32::MAX), "", false);
        for o in overrides {
            let mut at = ROOT;
            for s in &o.path {
                let name = names.name(&s.name);
                let same = |c: &&RuleId| {
                    let r = rules.get(**c);
                    r.name == name && *r.range == *s.range && r.direct == s.direct
                };
                at = match rules.get(at).children.iter().find(same) {
                    Some(&known) => known,
                    None => rules.add(at, name, &s.range, s.direct),
                };
            }
            if rules.get(at).given {
                continue;
            }
            let value = (!matches!(o.value.trim(), "" | "*")).then(|| names.spec(&o.value));
            let rule = &mut rules.0[at.0 as usize];
            (rule.value, rule.overrules, rule.given) = (value, o.overrules, true);
        }
        rules
    }

    fn add(&mut self, parent: RuleId, name: Name, range: &str, direct: bool) -> RuleId {
        let id = RuleId(self.0.len() as u32);
        let key = Range::parse(range).filter(|r| !r.is_star());
        let (value, overrules, given, children) = (None, false, false, Vec::new());
        self.0.push(Rule {
            parent,
            name,
            range: range.into(),
            key,
            value,
            direct,
            overrules,
            given,
            children,
        });
        if id != ROOT {
            self.0[parent.0 as usize].children.push(id);
        }
        id
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn get(&self, id: RuleId) -> &Rule {
        &self.0[id.0 as usize]
    }

    pub fn overrules(&self, id: RuleId) -> bool {
        self.get(id).overrules
    }

    /// The value that a rule gives to a dependency of that name.
    pub fn value(&self, id: RuleId, name: Name) -> Option<SpecId> {
        if id == NONE || self.get(id).name != name { None } else { self.get(id).value }
    }

    /// Where a rule for that name gives a value only to some versions.
    pub fn key(&self, id: RuleId) -> Option<&Range> {
        self.get(id).key.as_ref()
    }

    fn matches(&self, id: RuleId, name: Name, spec: &Spec) -> bool {
        let rule = self.get(id);
        rule.name == name
            && match (&rule.key, &spec.wanted) {
                (Some(key), Wanted::Range(range) | Wanted::Version(_, range)) => range.intersects(key),
                _ => true,
            }
    }

    /// The context of a dependency `name` of a package `from` that stands in `context`.
    pub fn of_edge(&self, context: RuleId, from: Name, name: Name, spec: &Spec) -> RuleId {
        let mut at = context;
        loop {
            let rule = self.get(at);
            let reaches = |c: RuleId| !self.get(c).direct || at == ROOT || rule.name == from;
            let found = rule.children.iter().find(|&&c| self.matches(c, name, spec) && reaches(c));
            if let Some(&found) = found {
                return found;
            }
            if at == ROOT {
                break;
            }
            if !rule.direct && self.matches(at, name, spec) {
                return at;
            }
            at = rule.parent;
        }
        // What only concerns a package's own dependencies does not reach theirs.
        let mut at = context;
        while at != ROOT && self.only_direct(at) {
            at = self.get(at).parent;
        }
        at
    }

    fn only_direct(&self, id: RuleId) -> bool {
        let rule = self.get(id);
        if rule.children.is_empty() { rule.direct } else { rule.children.iter().all(|&c| self.get(c).direct) }
    }

    fn ancestry(&self, id: RuleId) -> impl Iterator<Item = RuleId> {
        std::iter::successors(Some(id), |&r| (r != ROOT).then(|| self.get(r).parent))
    }

    /// The more specific of two contexts; what they have in common where
    /// neither is; `None` when their rules contradict each other.
    pub fn specific(&self, first: RuleId, second: RuleId) -> Option<RuleId> {
        if self.ancestry(second).any(|r| r == first) {
            return Some(second);
        }
        if self.ancestry(first).any(|r| r == second) {
            return Some(first);
        }
        if self.contradict(first, second) {
            return None;
        }
        self.ancestry(second).find(|&s| self.ancestry(first).any(|f| f == s))
    }

    /// The rules that count in a context, the nearest first.
    fn seen_from(&self, context: RuleId) -> Vec<RuleId> {
        let mut all: Vec<RuleId> = Vec::new();
        let same = |a: RuleId, b: RuleId| {
            let (a, b) = (self.get(a), self.get(b));
            a.name == b.name && a.range == b.range
        };
        for at in self.ancestry(context) {
            for &r in self.get(at).children.iter().chain((at != ROOT).then_some(&at)) {
                if !all.iter().any(|&known| same(known, r)) {
                    all.push(r);
                }
            }
        }
        all
    }

    fn contradict(&self, first: RuleId, second: RuleId) -> bool {
        let others = self.seen_from(second);
        self.seen_from(first).into_iter().any(|a| {
            let same = |&&b: &&RuleId| {
                self.get(a).name == self.get(b).name && self.get(a).range == self.get(b).range
            };
            others.iter().find(same).is_some_and(|&b| a != b && self.get(a).value != self.get(b).value)
        })
    }
}
