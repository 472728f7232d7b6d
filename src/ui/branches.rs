//! The lines of a drawn tree.

/// What stands before an entry. `last`: of each level, whether nothing follows there.
pub fn before(is_unicode: bool, last: &[bool]) -> String {
    let [through, branch, end] =
        if is_unicode { ["│   ", "├── ", "└── "] } else { ["|   ", "|-- ", "`-- "] };
    let Some((own, above)) = last.split_last() else { return String::new() };
    let mut text: String = above.iter().map(|last| if *last { "    " } else { through }).collect();
    text.push_str(if *own { end } else { branch });
    text
}
