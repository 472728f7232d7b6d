//! `mzp outdated`: which packages have newer versions, and what holds them back.

use crate::cli::Invocation;
use crate::error::{Result, Status};
use crate::settings::Settings;
use crate::ui::Ui;
use mirror::name::escape;
use mzp::outdated::{Hold, outdated};

pub fn run(_: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let start = super::start(settings, ui)?;
    let registry = super::registry(settings, &start, "Looking", ui)?;
    let rows = outdated(&start, &registry)?;
    super::notes(&registry, ui);
    let held = |list: &[Hold]| list.iter().map(words).collect::<Vec<_>>();
    if ui.is_json() {
        ui.json(|o| {
            o.array("outdated", |list| {
                for row in &rows {
                    list.object(|o| {
                        o.text("name", row.name.as_str());
                        o.text("current", &row.current.to_string());
                        o.text("allowed", &row.allowed.to_string());
                        o.text("newest", &row.newest.to_string());
                        o.texts("heldBack", held(&row.held));
                    });
                }
            });
        })?;
        return Ok(Status::Done);
    }
    let mut table = vec![["package", "current", "allowed", "newest", ""].map(String::from).to_vec()];
    table.extend(rows.iter().map(|row| {
        let [current, allowed, newest] = [&row.current, &row.allowed, &row.newest].map(ToString::to_string);
        vec![row.name.to_string(), current, allowed, newest, held(&row.held).join("; ")]
    }));
    if rows.is_empty() {
        ui.success("Every package is the newest");
        return Ok(Status::Done);
    }
    super::columns(&table).iter().try_for_each(|line| ui.line(line))?;
    if rows.iter().any(|row| row.allowed != row.current) {
        ui.hint("`mzp update` takes what is allowed");
    }
    Ok(Status::Done)
}

fn words(hold: &Hold) -> String {
    match hold {
        Hold::Requirement { by: None, requirement } => format!("mzp.toml asks for {}", escape(requirement)),
        Hold::Requirement { by: Some((name, version)), requirement } => {
            format!("{name} {version} needs {}", escape(requirement))
        }
        Hold::Targets(names) => format!("the newest supports only {}", names.join(", ")),
        Hold::Needs => "what the newest needs does not fit with the rest".into(),
    }
}
