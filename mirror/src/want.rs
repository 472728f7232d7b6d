//! Want-lists: what machines looked for offline and did not find, and what those with a network could
//! not get for them. They lie in WNT/, travel by command, and nobody needs them to read a mirror.
//!
//! ```text
//! pantry-wants 1
//! id ID                              whose list it is: the id of a machine's home mirror
//! number N                           grows with every change; of two lists of one id the greater counts
//! date SECONDS                       of the last change
//! want KEY RANGE PLATFORM SECONDS  * looked for since then, for that platform
//! lack KEY RANGE SECONDS WHY       * could not be had then, whoever wanted it
//! ```
//! Fields are escaped as in a snapshot. Both kinds of lines are sorted, each (KEY, RANGE, PLATFORM) and
//! each (KEY, RANGE) stands once. Only its own machine changes a list; all others carry it.

use crate::error::Result;
use crate::layout::WANTS;
use crate::left::{self, Left};
use crate::mirror::Mirror;
use crate::record::Key;
use crate::root::number;
use crate::snapshot::{MirrorId, escape, key_from_bytes, unescape, unescape_text};
use crate::trust::Lines;
use std::fmt::Write;
use std::path::PathBuf;

/// The longest list that is read.
const LIMIT: u64 = 1 << 20;
/// Most lines of either kind that are kept; what is older goes.
pub const MOST: usize = 4096;

/// What somebody looked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Want {
    pub key: Key,
    /// As it was written: a range, a version, a tag.
    pub range: String,
    /// What it was wanted for, in the ecosystem's own words.
    pub platform: String,
    /// When it was looked for first, Unix seconds.
    pub since: u64,
}

/// What could not be had.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lack {
    pub key: Key,
    pub range: String,
    /// When it was asked for, Unix seconds.
    pub asked: u64,
    pub why: String,
}

impl Lack {
    /// Whether it answers that want, and not an older one of the same.
    pub fn answers(&self, want: &Want) -> bool {
        self.key == want.key && self.range == want.range && self.asked >= want.since
    }
}

/// One machine's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantList {
    pub id: MirrorId,
    pub number: u64,
    /// Unix seconds.
    pub date: u64,
    pub wants: Vec<Want>,
    pub lacks: Vec<Lack>,
}

impl WantList {
    /// The list of a machine that has wanted nothing yet.
    pub fn empty(id: MirrorId) -> Self {
        Self { id, number: 0, date: 0, wants: Vec::new(), lacks: Vec::new() }
    }

    /// Takes wants in; one that is there stays as it is. Whether something changed.
    pub fn want(&mut self, wants: &[Want]) -> bool {
        let before = self.wants.clone();
        for new in wants {
            let same = |w: &Want| (&w.key, &w.range, &w.platform) == (&new.key, &new.range, &new.platform);
            if !self.wants.iter().any(same) {
                self.wants.push(new.clone());
            }
        }
        while self.wants.len() > MOST {
            let oldest = (0..self.wants.len()).min_by_key(|i| self.wants[*i].since);
            oldest.map(|i| self.wants.remove(i));
        }
        crate::order::sort(&mut self.wants);
        self.wants != before
    }

    /// Takes in what could not be had, in the place of older answers. Whether something changed.
    pub fn lack(&mut self, lacks: &[Lack]) -> bool {
        let before = self.lacks.clone();
        for new in lacks {
            self.lacks.retain(|l| (&l.key, &l.range) != (&new.key, &new.range));
            self.lacks.push(new.clone());
        }
        while self.lacks.len() > MOST {
            let oldest = (0..self.lacks.len()).min_by_key(|i| self.lacks[*i].asked);
            oldest.map(|i| self.lacks.remove(i));
        }
        crate::order::sort(&mut self.lacks);
        self.lacks != before
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut o = format!("pantry-wants 1\nid {}\nnumber {}\ndate {}\n", self.id, self.number, self.date);
        let text = |t: &str| escape(t.as_bytes());
        for w in &self.wants {
            let (key, range, platform) = (escape(&w.key.to_bytes()), text(&w.range), text(&w.platform));
            let _ = writeln!(o, "want {key} {range} {platform} {}", w.since);
        }
        for l in &self.lacks {
            let (key, range) = (escape(&l.key.to_bytes()), text(&l.range));
            let _ = writeln!(o, "lack {key} {range} {} {}", l.asked, text(&l.why));
        }
        o.into_bytes()
    }

    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut lines = Lines::of("pantry-wants", bytes)?;
        let mut list = Self::empty(MirrorId::parse(lines.take("id")?)?);
        list.number = number(lines.take("number")?).ok()?;
        list.date = number(lines.take("date")?).ok()?;
        while let Some(line) = lines.take("want") {
            let [key, range, platform, since] = fields(line)?;
            list.wants.push(Want {
                key: key_from_bytes(&unescape(key)?)?,
                range: unescape_text(range)?,
                platform: unescape_text(platform)?,
                since: number(since).ok()?,
            });
        }
        while let Some(line) = lines.take("lack") {
            let [key, range, asked, why] = fields(line)?;
            list.lacks.push(Lack {
                key: key_from_bytes(&unescape(key)?)?,
                range: unescape_text(range)?,
                asked: number(asked).ok()?,
                why: unescape_text(why)?,
            });
        }
        let wants = list
            .wants
            .windows(2)
            .all(|w| (&w[0].key, &w[0].range, &w[0].platform) < (&w[1].key, &w[1].range, &w[1].platform));
        let lacks = list.lacks.windows(2).all(|l| (&l[0].key, &l[0].range) < (&l[1].key, &l[1].range));
        (lines.0.is_empty() && wants && lacks).then_some(list)
    }
}

fn fields(line: &str) -> Option<[&str; 4]> {
    let mut fields = line.split(' ');
    let all = [fields.next()?, fields.next()?, fields.next()?, fields.next()?];
    fields.next().is_none().then_some(all)
}

impl Mirror {
    /// The lists that lie here, one of each machine. What cannot be read is passed over.
    pub fn want_lists(&self) -> Result<Vec<WantList>> {
        let mut lists: Vec<WantList> = Vec::new();
        for (list, _) in self.lists()? {
            match lists.iter_mut().find(|l| l.id == list.id) {
                Some(there) if there.number >= list.number => {}
                Some(there) => *there = list,
                None => lists.push(list),
            }
        }
        Ok(lists)
    }

    fn lists(&self) -> Result<Vec<(WantList, PathBuf)>> {
        let lists = left::read(self, WANTS, LIMIT)?.into_iter();
        Ok(lists.filter_map(|(bytes, path)| Some((WantList::parse(&bytes)?, path))).collect())
    }

    /// Leaves lists here, durably; of each machine the last. How many are new.
    pub fn leave_wants(&self, lists: &[WantList], waiting: &mut dyn FnMut(&str)) -> Result<usize> {
        let document = |l: &WantList| Left { id: l.id, number: l.number, bytes: l.to_bytes() };
        let documents: Vec<Left> = lists.iter().map(document).collect();
        left::leave(self, WANTS, &documents, &mut || self.lists_there(), waiting)
    }

    /// Whose lists lie here, how far, and where.
    pub(crate) fn lists_there(&self) -> Result<Vec<(MirrorId, u64, PathBuf)>> {
        Ok(self.lists()?.into_iter().map(|(list, path)| (list.id, list.number, path)).collect())
    }

    /// Changes this mirror's own list, that of the machine whose home mirror this is. `change` says
    /// whether it did.
    pub fn change_wants(
        &self,
        now: u64,
        change: &mut dyn FnMut(&mut WantList) -> bool,
        waiting: &mut dyn FnMut(&str),
    ) -> Result<()> {
        let own = self.want_lists()?.into_iter().find(|l| l.id == self.id());
        let mut own = own.unwrap_or_else(|| WantList::empty(self.id()));
        if !change(&mut own) {
            return Ok(());
        }
        (own.number, own.date) = (own.number + 1, now);
        self.leave_wants(&[own], waiting).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::InitOptions;
    use crate::record::Ecosystem;
    use proptest::prelude::*;

    fn key(name: &str) -> Key {
        Key { ecosystem: Ecosystem::Npm, source: "npm".into(), name: name.into() }
    }

    fn want(name: &str, range: &str, since: u64) -> Want {
        Want { key: key(name), range: range.into(), platform: "linux-x64".into(), since }
    }

    fn list(id: u8, number: u64, wants: &[Want]) -> WantList {
        let mut list = WantList { number, ..WantList::empty(MirrorId([id; 16])) };
        list.want(wants);
        list
    }

    #[test]
    fn a_list_is_read_as_it_was_written() {
        let mut list = list(1, 3, &[want("left", "^1 || 2", 5), want("@a/b", "", 7)]);
        list.lack(&[Lack { key: key("gone"), range: "*".into(), asked: 9, why: "unknown there\n".into() }]);
        let bytes = list.to_bytes();
        assert_eq!(WantList::parse(&bytes), Some(list));
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.ends_with("lack %01npm%00gone %2A 9 unknown%20there%0A\n"), "{text}");
        for broken in [
            text.replace("number 3", "number 03"),
            text.replace("want", "wand"),
            text.replace(" 9 ", " 9  "),
            text[..text.len() - 1].into(),
            format!("{text}{}", &text[text.find("want").unwrap()..]),
        ] {
            assert_eq!(WantList::parse(broken.as_bytes()), None, "{broken}");
        }
    }

    #[test]
    fn wanting_again_is_not_wanting_twice() {
        let mut list = list(1, 1, &[want("left", "1", 5)]);
        assert!(!list.want(&[want("left", "1", 5)]));
        assert!(list.want(&[want("left", "1", 6), want("left", "2", 6)]));
        assert_eq!(list.wants.iter().map(|w| w.since).collect::<Vec<_>>(), [5, 6]);
        let lack = Lack { key: key("left"), range: "1".into(), asked: 6, why: String::new() };
        assert!(lack.answers(&list.wants[0]) && !lack.answers(&list.wants[1]));
        assert!(!Lack { asked: 4, ..lack.clone() }.answers(&list.wants[0]));
        let again = std::slice::from_ref(&lack);
        assert!(list.lack(again) && !list.lack(again));
        assert!(list.lack(&[Lack { asked: 8, ..lack }]));
        assert_eq!(list.lacks.len(), 1);
    }

    #[test]
    fn a_full_list_loses_what_is_oldest() {
        let wants: Vec<Want> = (0..MOST as u64 + 2).map(|n| want(&format!("p{n}"), "*", n + 1)).collect();
        let list = list(1, 1, &wants);
        assert_eq!(list.wants.len(), MOST);
        assert!(list.wants.iter().all(|w| w.since > 2));
    }

    #[test]
    fn lists_travel_and_the_last_of_each_counts() {
        let dir = tempfile::tempdir().unwrap();
        let m = Mirror::init(dir.path(), &InitOptions::default()).unwrap();
        let (old, new) = (list(1, 1, &[want("a", "1", 1)]), list(1, 2, &[want("b", "1", 2)]));
        let other = list(2, 9, &[]);
        assert_eq!(m.leave_wants(&[old.clone(), other.clone()], &mut |_| {}).unwrap(), 2);
        assert_eq!(m.leave_wants(&[new.clone(), other.clone()], &mut |_| {}).unwrap(), 1);
        assert_eq!(m.leave_wants(&[old], &mut |_| {}).unwrap(), 0);
        let mut lists = m.want_lists().unwrap();
        lists.sort_by_key(|l| l.id);
        assert_eq!(lists, [new, other]);
        assert_eq!(std::fs::read_dir(dir.path().join("WNT")).unwrap().count(), 2);
        m.change_wants(7, &mut |own| own.want(&[want("c", "*", 7)]), &mut |_| {}).unwrap();
        m.change_wants(8, &mut |own| own.want(&[want("c", "*", 7)]), &mut |_| {}).unwrap();
        let lists = m.want_lists().unwrap();
        let own = lists.iter().find(|l| l.id == m.id()).unwrap();
        assert_eq!((own.number, own.date, own.wants.len()), (1, 7, 1));
    }

    #[test]
    fn a_list_that_is_not_what_its_name_says_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let m = Mirror::init(dir.path(), &InitOptions::default()).unwrap();
        m.leave_wants(&[list(1, 1, &[want("left", "1", 1)])], &mut |_| {}).unwrap();
        let path = std::fs::read_dir(dir.path().join("WNT")).unwrap().next().unwrap().unwrap().path();
        let changed = std::fs::read_to_string(&path).unwrap().replace("left", "lest");
        crate::file::replace_scratch(&path, changed.as_bytes()).unwrap();
        assert_eq!(m.want_lists().unwrap(), []);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
        #[test]
        fn any_list_is_read_as_it_was_written(
            names in proptest::collection::vec(("\\PC{1,8}", "\\PC{0,8}", "\\PC{0,8}", any::<u64>()), 0..6)
        ) {
            let wants: Vec<Want> = names
                .iter()
                .map(|(n, r, p, since)| Want { key: key(n), range: r.clone(), platform: p.clone(), since: *since })
                .collect();
            let mut l = list(3, 4, &wants);
            l.lack(&names
                .iter()
                .map(|(n, r, why, asked)| Lack { key: key(n), range: r.clone(), asked: *asked, why: why.clone() })
                .collect::<Vec<_>>());
            prop_assert_eq!(WantList::parse(&l.to_bytes()), Some(l));
        }
    }
}
