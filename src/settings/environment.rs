//! The process's variables, and a table in their place for tests.

use std::ffi::OsString;

/// Where variables are looked up.
#[derive(Debug, Clone)]
pub enum Environment {
    Process,
    Table(Vec<(OsString, OsString)>),
}

impl Environment {
    pub fn table(variables: &[(&str, &str)]) -> Self {
        Self::Table(variables.iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// The variable's value; an empty one is a value.
    #[allow(clippy::disallowed_methods, reason = "the one reader of the environment")]
    pub fn get(&self, name: &str) -> Option<OsString> {
        match self {
            Self::Process => std::env::var_os(name),
            Self::Table(table) => {
                table.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
            }
        }
    }

    /// The variable's value, unless it is empty.
    pub fn filled(&self, name: &str) -> Option<OsString> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// Every variable.
    #[allow(clippy::disallowed_methods, reason = "the one reader of the environment")]
    pub fn all(&self) -> Vec<(OsString, OsString)> {
        match self {
            Self::Process => std::env::vars_os().collect(),
            Self::Table(table) => table.clone(),
        }
    }
}
