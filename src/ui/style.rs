//! What the terminal can show: colour, symbols, bars.

use crate::settings::Environment;
use std::io::IsTerminal;

/// What standard error can show; decided once.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terminal {
    interactive: bool,
    colour: bool,
    /// Standard output shows colours, too.
    coloured_data: bool,
    unicode: bool,
    ci: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Colour {
    Red,
    Green,
    Yellow,
    Cyan,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Symbol {
    Success,
    Added,
    Removed,
    Note,
    Warning,
    Hint,
    Error,
}

impl Terminal {
    /// Looks at the process's standard error and the variables.
    pub fn detect(environment: &Environment) -> Self {
        let decided = Self::decide(environment, std::io::stderr().is_terminal());
        let data = Self::decide(environment, std::io::stdout().is_terminal());
        Self { coloured_data: data.colour, ..decided }
    }

    /// - Colour: `NO_COLOR` forbids, `FORCE_COLOR` and `CLICOLOR_FORCE` demand,
    ///   else a terminal that is not `dumb`.
    /// - Symbols: a terminal with a UTF-8 locale, and neither `NO_COLOR` nor `CI`.
    /// - Bars: a terminal that is not `dumb`, and no `CI`.
    pub fn decide(environment: &Environment, is_terminal: bool) -> Self {
        let filled = |name| environment.get(name).is_some_and(|value| !value.is_empty());
        let demanded = |name| environment.get(name).is_some_and(|value| !value.is_empty() && value != "0");
        let no_colour = filled("NO_COLOR");
        let ci = demanded("CI") && environment.get("CI").is_none_or(|value| value != "false");
        let dumb = environment.get("TERM").is_some_and(|value| value == "dumb");
        let forced = demanded("FORCE_COLOR") || demanded("CLICOLOR_FORCE");
        let interactive = is_terminal && !dumb;
        Self {
            interactive,
            colour: !no_colour && (forced || interactive && !ci),
            coloured_data: false,
            unicode: interactive && !no_colour && !ci && has_utf8_locale(environment),
            ci,
        }
    }

    /// Data that stands out.
    pub fn tinted(&self, text: &str) -> String {
        if self.coloured_data { format!("\u{1b}[36m{text}\u{1b}[0m") } else { text.to_string() }
    }

    pub fn is_unicode(&self) -> bool {
        self.unicode
    }
    pub fn shows_progress(&self) -> bool {
        self.interactive && !self.ci
    }

    /// The mark before a line. Meaning never rests on colour alone: warnings,
    /// errors, notes and hints are words.
    pub(super) fn mark(&self, symbol: Symbol, colour: Colour) -> String {
        let word = match symbol {
            Symbol::Success => {
                if self.unicode {
                    "✓"
                } else {
                    "ok:"
                }
            }
            Symbol::Added => "+",
            Symbol::Removed => "-",
            Symbol::Note => "note:",
            Symbol::Warning => "warning:",
            Symbol::Hint => "hint:",
            Symbol::Error => "error:",
        };
        if !self.colour {
            return word.to_string();
        }
        let code = match colour {
            Colour::Red => "1;31",
            Colour::Green => "32",
            Colour::Yellow => "1;33",
            Colour::Cyan => "36",
        };
        format!("\u{1b}[{code}m{word}\u{1b}[0m")
    }
}

/// The first of the three that is set decides, as the C library has it.
fn has_utf8_locale(environment: &Environment) -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(|name| environment.get(name));
    let Some(locale) = set.into_iter().find(|value| !value.is_empty()) else { return false };
    let locale = locale.to_string_lossy().to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(variables: &[(&str, &str)], is_terminal: bool) -> (bool, bool, bool) {
        let terminal = Terminal::decide(&Environment::table(variables), is_terminal);
        (terminal.colour, terminal.unicode, terminal.shows_progress())
    }

    #[test]
    fn what_is_shown_where() {
        let utf8 = ("LANG", "en_GB.UTF-8");
        for (variables, is_terminal, expected) in [
            (&[utf8][..], true, (true, true, true)),
            (&[utf8], false, (false, false, false)),
            (&[], true, (true, false, true)),
            (&[("LANG", "C")], true, (true, false, true)),
            (&[("LC_ALL", "C"), utf8], true, (true, false, true)),
            (&[("LC_ALL", ""), ("LC_CTYPE", "de_DE.utf8")], true, (true, true, true)),
            (&[utf8, ("NO_COLOR", "1")], true, (false, false, true)),
            (&[utf8, ("NO_COLOR", "")], true, (true, true, true)),
            (&[utf8, ("CI", "true")], true, (false, false, false)),
            (&[utf8, ("CI", "false")], true, (true, true, true)),
            (&[utf8, ("TERM", "dumb")], true, (false, false, false)),
            (&[("FORCE_COLOR", "1")], false, (true, false, false)),
            (&[("CLICOLOR_FORCE", "1")], false, (true, false, false)),
            (&[("FORCE_COLOR", "0")], false, (false, false, false)),
            (&[("FORCE_COLOR", "1"), ("NO_COLOR", "1")], true, (false, false, true)),
        ] {
            assert_eq!(seen(variables, is_terminal), expected, "{variables:?} {is_terminal}");
        }
    }

    #[test]
    fn marks() {
        let plain = Terminal::default();
        assert_eq!(plain.mark(Symbol::Success, Colour::Green), "ok:");
        let rich = Terminal { interactive: true, colour: true, unicode: true, ..plain };
        assert_eq!(rich.mark(Symbol::Success, Colour::Green), "\u{1b}[32m✓\u{1b}[0m");
        assert_eq!(rich.mark(Symbol::Error, Colour::Red), "\u{1b}[1;31merror:\u{1b}[0m");
    }
}
