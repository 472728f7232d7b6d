//! Reading a variable's value as what it is meant to be. Each function gives
//! `None` (or off) when the variable is unset or empty, and one error that
//! names variable and value when it cannot be used.

use super::Environment;
use crate::error::{Error, Result};
use mirror::trust::{Policy, Rule};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

pub(super) fn text(environment: &Environment, name: &str) -> Result<Option<String>> {
    environment
        .filled(name)
        .map(|value| value.into_string().map_err(|bad| wrong(name, &bad.to_string_lossy(), "valid UTF-8")))
        .transpose()
}

/// `1`, `true`, `yes`, `on`; `0`, `false`, `no`, `off`.
pub(super) fn switch(environment: &Environment, name: &str) -> Result<bool> {
    let Some(value) = text(environment, name)? else { return Ok(false) };
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err(wrong(name, &value, "0 or 1")),
    }
}

pub(super) fn number(
    environment: &Environment,
    name: &str,
    range: RangeInclusive<usize>,
) -> Result<Option<usize>> {
    let Some(value) = text(environment, name)? else { return Ok(None) };
    match value.trim().parse() {
        Ok(number) if range.contains(&number) => Ok(Some(number)),
        _ if *range.end() == usize::MAX => {
            Err(wrong(name, &value, &format!("a whole number, {} or more", range.start())))
        }
        _ => Err(wrong(name, &value, &format!("a whole number from {} to {}", range.start(), range.end()))),
    }
}

/// `ADDRESS` or `ADDRESS:PORT`; the port is DNS's when there is none.
pub(super) fn name_server(environment: &Environment, name: &str) -> Result<Option<SocketAddr>> {
    let Some(value) = text(environment, name)? else { return Ok(None) };
    let found = address(value.trim());
    found.map(Some).ok_or_else(|| wrong(name, &value, "an IP address, with or without a port"))
}

/// The port is DNS's when there is none.
pub(super) fn address(text: &str) -> Option<SocketAddr> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, 53)))
}

/// `10 GiB`, `512MB`, `3.9G`, `1024`: a number and a unit; one letter counts in thousands, as media are sold.
pub fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let unit: u64 = match text[end..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return None,
    };
    let (whole, part) = text[..end].split_once('.').unwrap_or((&text[..end], ""));
    // Ten digits behind the point are more than anybody has bytes to tell apart.
    let (mut parts, mut of) = (0, 1);
    for digit in part.bytes().take(10) {
        parts = parts * 10 + u128::from(char::from(digit).to_digit(10)?);
        of *= 10;
    }
    let bytes = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    bytes.checked_add(u64::try_from(parts * u128::from(unit) / of).ok()?)
}

/// Proxies' variables are read in lower case first, as curl has it.
pub(super) fn either_case(environment: &Environment, lower: &str) -> Result<Option<String>> {
    match text(environment, lower)? {
        Some(value) => Ok(Some(value)),
        None => text(environment, &lower.to_ascii_uppercase()),
    }
}

/// A word of a table.
pub(super) fn word<T: Copy>(environment: &Environment, name: &str, known: &[(&str, T)]) -> Result<Option<T>> {
    text(environment, name)?.map(|value| one(name, value.trim(), known)).transpose()
}

/// A comma list of words of a table.
pub(super) fn words<T: Copy>(environment: &Environment, name: &str, known: &[(&str, T)]) -> Result<Vec<T>> {
    let value = text(environment, name)?.unwrap_or_default();
    value
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(|word| one(name, word, known))
        .collect()
}

/// `POLICY` for mirrors, `PATTERN=POLICY` for packages, a comma between; before what `rules` has.
pub(super) fn signatures(
    environment: &Environment,
    name: &str,
    rules: &mut Vec<Rule>,
) -> Result<Option<Policy>> {
    let value = text(environment, name)?.unwrap_or_default();
    let (mut mirrors, mut found) = (None, Vec::new());
    for word in value.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        match word.rsplit_once('=') {
            None => mirrors = Some(one(name, word, &Policy::NAMES)?),
            Some((pattern, policy)) => {
                let rule = Rule::new(pattern, one(name, policy, &Policy::NAMES)?);
                found.push(
                    rule.ok_or_else(|| wrong(name, word, "a package's name, @scope/* or * and a policy"))?,
                );
            }
        }
    }
    rules.retain(|rule| !found.iter().any(|new: &Rule| new.is_about_the_same(rule)));
    rules.append(&mut found);
    Ok(mirrors)
}

fn one<T: Copy>(name: &str, word: &str, known: &[(&str, T)]) -> Result<T> {
    let found = known.iter().find(|(spelling, _)| spelling.eq_ignore_ascii_case(word));
    found.map(|(_, value)| *value).ok_or_else(|| {
        let all: Vec<_> = known.iter().map(|(spelling, _)| *spelling).collect();
        wrong(name, word, &format!("one of {}", all.join(", ")))
    })
}

fn wrong(name: &str, value: &str, rule: &str) -> Box<Error> {
    Box::new(Error::Setting { name: name.into(), value: value.into(), rule: rule.into() })
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes() {
        for (text, found) in [
            ("10 GiB", Some(10 << 30)),
            ("512MB", Some(512_000_000)),
            ("7", Some(7)),
            (" 1 kib ", Some(1024)),
            ("", None),
            ("GiB", None),
            ("1.5 GiB", Some(3 << 29)),
            ("0.1kb", Some(100)),
            ("1.2.3 GiB", None),
            (".5 GiB", None),
            ("-1", None),
            ("99999999999 TiB", None),
        ] {
            assert_eq!(bytes(text), found, "{text}");
        }
    }
}
