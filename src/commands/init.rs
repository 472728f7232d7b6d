//! `pantry init`: a manifest for a new project. What is there is never written over.

use crate::cli::Invocation;
use crate::error::{Error, Result, Status};
use crate::manifest::Format;
use crate::settings::Settings;
use crate::ui::Ui;
use crate::ui::json::{Object, object};
use mirror::name::{PackageName, escape};
use mirror::version::Version;
use std::io::Write;
use std::path::Path;

const TYPESCRIPT: &str = "^5.0.0";
const TSCONFIG: &str = "{
  \"compilerOptions\": {
    \"target\": \"es2022\",
    \"module\": \"nodenext\",
    \"strict\": true,
    \"skipLibCheck\": true,
    \"outDir\": \"dist\",
    \"rootDir\": \"src\"
  },
  \"include\": [\"src\"]
}
";

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let here = settings.working_directory()?;
    let dir = invocation.argument_path(0).map_or_else(|| here.clone(), |dir| here.join(dir));
    // One manifest is a project: another beside it would have to agree with it.
    let there = Format::ALL.iter().map(|f| dir.join(f.file())).find(|file| file.symlink_metadata().is_ok());
    if let Some(file) = there {
        return Err(Box::new(Error::Other {
            status: Status::Failed,
            message: format!("{} is there already", escape(&file.to_string_lossy())),
            hints: vec!["`pantry add NAME` adds to it; `pantry init DIR` makes another project".into()],
        }));
    }
    let folder = dir.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let (mut name, mut version) = (name_for(&folder), "1.0.0".to_string());
    let mut description = String::new();
    if !invocation.has("yes") && ui.can_ask() {
        name = ask(ui, "name", &name, &|text| PackageName::parse(text).map(drop).map_err(|e| e.to_string()))?;
        version =
            ask(ui, "version", &version, &|text| Version::parse(text).map(drop).map_err(|e| e.to_string()))?;
        description = ask(ui, "description", "", &|_| Ok(()))?;
    }
    let text = |fill: &dyn Fn(&mut Object<'_>)| {
        let mut text = object(|o| {
            o.text("name", &name);
            o.text("version", &version);
            if !description.is_empty() {
                o.text("description", &description);
            }
            fill(o);
        });
        text.push('\n');
        text
    };
    let core = format!("{}/core", name.trim_start_matches('@').split('/').next().unwrap_or_default());
    let (manifest, files): (String, Vec<(&str, String)>) = match invocation.text("preset")? {
        Some("typescript") => (
            text(&|o| {
                o.text("type", "module");
                typescript(o, "tsc");
            }),
            vec![("tsconfig.json", TSCONFIG.into()), ("src/index.ts", format!("console.log(\"{name}\");\n"))],
        ),
        Some(_) => (
            text(&|o| {
                o.truth("private", true);
                o.texts("workspaces", ["packages/*"]);
                typescript(o, "tsc --build packages/*");
            }),
            vec![
                (
                    "packages/core/package.json",
                    object(|o| {
                        o.text("name", &format!("@{core}"));
                        o.text("version", &version);
                        o.text("type", "module");
                        o.text("main", "dist/index.js");
                    }) + "\n",
                ),
                (
                    "packages/core/tsconfig.json",
                    TSCONFIG.replace("\"strict\"", "\"composite\": true,\n    \"strict\""),
                ),
                ("packages/core/src/index.ts", "export const answer: number = 42;\n".into()),
            ],
        ),
        None => (
            text(&|o| {
                o.object("scripts", |_| {});
                o.object("dependencies", |_| {});
            }),
            Vec::new(),
        ),
    };
    for (path, text) in &files {
        write(&dir.join(path), text, ui)?;
    }
    // The last: what has none is no project yet, and can be begun again.
    write(&dir.join(Format::PantryJson.file()), &manifest, ui)?;
    let then = if files.is_empty() {
        "`pantry add NAME` adds a package"
    } else {
        "`pantry install` installs what it needs"
    };
    ui.success(&format!("{name} is a project; {then}"));
    Ok(Status::Done)
}

fn typescript(o: &mut Object<'_>, build: &str) {
    o.object("scripts", |o| {
        o.text("build", build);
        o.text("dev", &format!("{build} --watch"));
    });
    o.object("dependencies", |_| {});
    o.object("devDependencies", |o| o.text("typescript", TYPESCRIPT));
}

/// A file that is there stays.
fn write(path: &Path, text: &str, ui: &mut Ui) -> Result<()> {
    if let Some(folder) = path.parent() {
        mirror::file::make_dirs(folder)?;
    }
    match mirror::file::create_new(path) {
        Err(mirror::Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => {
            ui.note(&format!("{} stays as it is", shown(path)));
            return Ok(());
        }
        file => {
            let mut file = file?;
            let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
            if let Err(source) = written {
                let _ = std::fs::remove_file(path);
                return Err(Box::new(Error::Io { action: "write", path: path.into(), source }));
            }
        }
    }
    if let Some(folder) = path.parent() {
        mirror::file::sync_dir(folder)?;
    }
    ui.added(&shown(path));
    Ok(())
}

fn shown(path: &Path) -> String {
    escape(&path.to_string_lossy()).into_owned()
}

/// A package name out of a folder's: `My App` becomes `my-app`.
fn name_for(folder: &str) -> String {
    let lower = folder.to_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c));
    let joined = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-");
    let name = joined.trim_start_matches(['.', '_', '-']).chars().take(214).collect::<String>();
    if PackageName::parse(&name).is_ok() { name } else { "app".into() }
}

/// Asks until the answer can be used; nothing is the proposal.
fn ask(
    ui: &mut Ui,
    what: &str,
    proposal: &str,
    check: &dyn Fn(&str) -> std::result::Result<(), String>,
) -> Result<String> {
    loop {
        let question =
            if proposal.is_empty() { format!("{what}: ") } else { format!("{what} ({proposal}): ") };
        let answer = ui.ask(&question)?;
        let answer = answer.trim();
        let answer = if answer.is_empty() { proposal } else { answer };
        match check(answer) {
            Ok(()) => return Ok(answer.to_string()),
            Err(problem) => ui.warn(&problem),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::name_for;

    #[test]
    fn names_of_folders() {
        for (folder, name) in [
            ("my-app", "my-app"),
            ("My App!", "my-app"),
            (".hidden", "hidden"),
            ("a.b_c", "a.b_c"),
            ("node_modules", "app"),
            ("…", "app"),
            ("", "app"),
            ("@scope", "scope"),
        ] {
            assert_eq!(name_for(folder), name, "{folder}");
        }
    }
}
