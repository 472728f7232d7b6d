//! The command table as the build reads it: the files of the program, and texts that are texts.

#![allow(dead_code, reason = "the parser's half of the table is not needed here")]

#[path = "../cli/command.rs"]
pub mod command;
#[path = "../cli/table/mod.rs"]
pub mod table;

pub mod invocation {
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Program {
        Pantry,
        Mzp,
    }
}

pub mod text {
    #[derive(Debug, Clone, Copy)]
    pub struct Text(pub &'static str);

    impl Text {
        pub const fn new(text: &'static str) -> Self {
            Self(text)
        }
    }

    #[derive(Debug, Clone, Copy)]
    pub struct Examples(pub &'static [(&'static str, &'static str)]);

    impl Examples {
        pub const fn new(lines: &'static [(&'static str, &'static str)]) -> Self {
            Self(lines)
        }
    }
}
