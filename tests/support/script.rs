//! The script language: one step a line, words as a shell would split them.
//!
//! `'…'` is literal, `"…"` and bare words expand `$NAME` and `${NAME}`; `#` begins a comment; a line that ends in `\`
//! goes on in the next. A leading `!` wants failure (or the absence of what a check looks for), a leading `?` takes
//! either, a trailing `&` runs the command in the background until `wait`.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Success,
    Failure,
    Either,
}

#[derive(Debug, Clone)]
pub struct Step {
    pub line: usize,
    pub text: String,
    pub wanted: Wanted,
    pub words: Vec<Word>,
    pub background: bool,
}

/// A word before expansion: pieces, each literal or to be expanded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Word(Vec<(String, bool)>);

impl Word {
    pub fn expand(&self, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
        let mut out = String::new();
        for (text, expands) in &self.0 {
            if !expands {
                out.push_str(text);
                continue;
            }
            let mut rest = text.as_str();
            while let Some(at) = rest.find('$') {
                out.push_str(&rest[..at]);
                rest = &rest[at + 1..];
                let (name, after) = match rest.strip_prefix('{') {
                    Some(inner) => inner.split_once('}').ok_or("`${` without `}`")?,
                    None => {
                        let end =
                            rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                        rest.split_at(end)
                    }
                };
                if name.is_empty() {
                    out.push('$');
                } else {
                    out.push_str(&lookup(name).ok_or_else(|| format!("no variable `{name}`"))?);
                }
                rest = after;
            }
            out.push_str(rest);
        }
        Ok(out)
    }
}

pub fn parse(script: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut lines = script.lines().enumerate();
    while let Some((number, first)) = lines.next() {
        let mut text = first.to_owned();
        while let Some(head) = text.strip_suffix('\\') {
            let next = lines.next().map_or("", |(_, line)| line);
            text = format!("{head} {}", next.trim_start());
        }
        let line = number + 1;
        let mut words = split(&text).map_err(|e| format!("line {line}: {e}"))?;
        if words.is_empty() {
            continue;
        }
        let bare = |w: &Word, s: &str| w.0.len() == 1 && w.0[0].0 == s && w.0[0].1;
        let wanted = match () {
            () if bare(&words[0], "!") => Wanted::Failure,
            () if bare(&words[0], "?") => Wanted::Either,
            () => Wanted::Success,
        };
        if wanted != Wanted::Success {
            words.remove(0);
        }
        let background = words.last().is_some_and(|w| bare(w, "&"));
        if background {
            words.pop();
        }
        if words.is_empty() {
            return Err(format!("line {line}: nothing to do"));
        }
        steps.push(Step { line, text: text.trim().into(), wanted, words, background });
    }
    Ok(steps)
}

fn split(text: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        match chars.peek() {
            None | Some('#') => return Ok(words),
            Some(_) => {}
        }
        let mut word = Word::default();
        let mut bare = String::new();
        while let Some(c) = chars.next_if(|c| !c.is_whitespace()) {
            match c {
                '\'' | '"' => {
                    if !bare.is_empty() {
                        word.0.push((std::mem::take(&mut bare), true));
                    }
                    let mut quoted = String::new();
                    loop {
                        match chars.next() {
                            None => return Err(format!("`{c}` is not closed")),
                            Some(end) if end == c => break,
                            Some(inner) => quoted.push(inner),
                        }
                    }
                    word.0.push((quoted, c == '"'));
                }
                c => bare.push(c),
            }
        }
        if !bare.is_empty() || word.0.is_empty() {
            word.0.push((bare, true));
        }
        words.push(word);
    }
}

#[test]
fn words_split_and_expand() {
    let lookup = |name: &str| (name == "A").then(|| "1 2".to_owned());
    let steps = parse("# note\n! pantry 'a $A' \"b $A\" c$A/${A}x # end\n? x \\\n  y &\n").expect("parses");
    let words: Vec<_> = steps[0].words.iter().map(|w| w.expand(&lookup).expect("expands")).collect();
    assert_eq!(words, ["pantry", "a $A", "b 1 2", "c1 2/1 2x"]);
    assert_eq!(steps[0].wanted, Wanted::Failure);
    assert_eq!((steps[1].wanted, steps[1].background, steps[1].words.len()), (Wanted::Either, true, 2));
    assert!(parse("a 'b").is_err());
}
