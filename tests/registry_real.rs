//! Real packages from a real registry: the React app of the benchmarks, pulled into a mirror online, then installed with the
//! network cut off, used by node, and compared with what npm resolves at the same moment.
//!
//! Which registry, npm says at run time (`npm config get registry`): no file names one. Needs npm, node and a network; says
//! NOT SHOWN without. `make test` takes a small sample; `make test-full` (`PANTRY_TEST_FULL=1`) the whole app in every linker.

#![allow(clippy::disallowed_methods)] // a test

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use miniserde::json::{self, Value};
use support::process::{self, Output, Run};

const APP: &str = r#"{
  "name": "bench-app", "version": "1.0.0", "private": true,
  "dependencies": {
    "react": "^19.0.0", "react-dom": "^19.0.0", "react-router-dom": "^7.0.0", "axios": "^1.7.0", "express": "^5.0.0",
    "zod": "^3.23.0", "date-fns": "^4.1.0", "zustand": "^5.0.0", "clsx": "^2.1.0"
  },
  "devDependencies": {
    "typescript": "^5.6.0", "vite": "^6.0.0", "@vitejs/plugin-react": "^4.3.0", "eslint": "^9.15.0"
  }
}
"#;

const SAMPLE: &str = r#"{"name": "sample", "version": "1.0.0", "dependencies": {"express": "^5.0.0", "clsx": "^2.1.0", "debug": "4"}}"#;

struct Bench {
    dir: tempfile::TempDir,
    env: Vec<(String, String)>,
}

impl Bench {
    /// Nothing when npm, node or the registry are out of reach; the reason goes to stderr.
    fn new() -> Option<Self> {
        for program in ["npm", "node"] {
            if process::can(program) != Some(true) {
                support::say(&format!("NOT SHOWN: real packages: no {program} here"));
                return None;
            }
        }
        let mut env: Vec<(String, String)> = std::env::vars()
            .filter(|(name, _)| {
                name == "PATH"
                    || name == "HOME"
                    || name.starts_with("npm_config_")
                    || name.to_ascii_lowercase().ends_with("_proxy")
                    || name.starts_with("SSL_CERT")
                    || name == "NODE_EXTRA_CA_CERTS"
            })
            .collect();
        let dir = tempfile::tempdir().expect("a directory");
        let asked = run(dir.path(), &env, &["npm", "config", "get", "registry"]);
        let registry = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
        let ping = run(
            dir.path(),
            &env,
            &["npm", "view", "clsx", "version", "--fetch-timeout=15000", "--fetch-retries=0"],
        );
        if !registry.starts_with("http") || ping.status != 0 {
            support::say("NOT SHOWN: real packages: npm reaches no registry");
            return None;
        }
        env.retain(|(name, _)| !name.eq_ignore_ascii_case("npm_config_registry"));
        env.push(("npm_config_registry".into(), registry));
        env.push(("PANTRY_HOME".into(), dir.path().join("pantry").to_string_lossy().into_owned()));
        env.push(("LANG".into(), "C.UTF-8".into()));
        Some(Self { dir, env })
    }

    fn run(&self, cwd: &str, argv: &[&str]) -> Output {
        run(&self.dir.path().join(cwd), &self.env, argv)
    }

    fn pantry(&self, cwd: &str, args: &[&str]) -> Output {
        let binary = process::pantry().to_string_lossy().into_owned();
        let argv: Vec<&str> = [binary.as_str()].into_iter().chain(args.iter().copied()).collect();
        let out = self.run(cwd, &argv);
        assert_eq!(out.status, 0, "pantry {args:?}:\n{}{}", text(&out.stdout), text(&out.stderr));
        out
    }

    /// Pulls, and lets npm resolve: what the pull says, or nothing where npm reached no registry either, or where
    /// something was published meanwhile, so that npm finds something else before and after.
    fn pulled(&self, manifest: &str) -> Option<Output> {
        let npm = |name: &str| {
            let _ = fs::remove_dir_all(self.dir.path().join(name));
            self.project(name, manifest);
            let words =
                ["npm", "install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund"];
            let out = self.run(name, &words);
            (out.status == 0).then(|| npm_set(&self.dir.path().join(name).join("package-lock.json")))
        };
        let before = npm("before");
        let binary = process::pantry().to_string_lossy().into_owned();
        let pull = [&binary, "mirror", "pull", "--mirror", "../stick", "--from", "package.json"];
        let out = self.run("online", &pull);
        (before.is_some() && before == npm("npm")).then_some(out)
    }

    fn project(&self, name: &str, manifest: &str) {
        let dir = self.dir.path().join(name);
        fs::create_dir_all(&dir).expect("makes a project");
        fs::write(dir.join("package.json"), manifest).expect("writes the manifest");
    }
}

fn run(cwd: &Path, env: &[(String, String)], argv: &[&str]) -> Output {
    let argv = argv.iter().map(Into::into).collect();
    Run { argv, env: env.to_vec(), cwd: cwd.into(), stdin: Vec::new(), limit: Duration::from_secs(300) }
        .run()
        .expect("starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `name@version` of everything in a package-lock.json.
fn npm_set(lock: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(lock).expect("package-lock.json");
    let Ok(Value::Object(lock)) = json::from_str(&text) else { panic!("npm writes JSON") };
    let Some(Value::Object(packages)) = lock.get("packages") else { panic!("a lock of version 2 or 3") };
    let spec = |(path, entry): (&String, &Value)| {
        let Value::Object(entry) = entry else { return None };
        if path.is_empty() {
            return None; // the project itself
        }
        let version =
            entry.get("version").and_then(|v| if let Value::String(v) = v { Some(v) } else { None })?;
        let name = match entry.get("name") {
            Some(Value::String(name)) => name.as_str(),
            _ => path.rsplit_once("node_modules/")?.1,
        };
        Some(format!("{name}@{version}"))
    };
    packages.iter().filter_map(spec).collect()
}

/// `name@version` of everything in a pantry.lock: the keys of `packages`, without what tells variants apart.
fn pantry_set(lock: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(lock).expect("pantry.lock");
    let Ok(Value::Object(lock)) = json::from_str(&text) else { panic!("pantry.lock is JSON") };
    let Some(Value::Object(packages)) = lock.get("packages") else { panic!("pantry.lock has packages") };
    packages.keys().map(|key| key.split('#').next().unwrap_or(key).to_owned()).collect()
}

fn cut_off(args: &[&'static str]) -> Vec<&'static str> {
    if process::can("unshare") == Some(true) {
        [&["unshare", "-rn"], args].concat()
    } else {
        support::say("NOT SHOWN: no network namespaces here: the offline install ran with --offline alone");
        args.to_vec()
    }
}

/// Pulls online, resolves with npm at the same moment, installs offline per linker, and lets node use it.
fn carried(bench: &Bench, manifest: &str, linkers: &[&str], modules: &[&str], bins: &[&str]) {
    bench.project("online", manifest);
    bench.pantry("online", &["mirror", "init", "../stick"]);
    // A registry may fail for a moment (status 4: what cannot be had).
    let mut pull = None;
    for _ in 0..3 {
        pull = bench.pulled(manifest).or(pull);
        if pull.as_ref().is_some_and(|out| out.status != 4) {
            break;
        }
    }
    let Some(pull) = pull else {
        return support::say(
            "NOT SHOWN: real packages: npm loses the registry, or finds something else each time",
        );
    };
    assert_eq!(pull.status, 0, "{}", text(&pull.stderr));
    bench.pantry("online", &["mirror", "verify", "../stick"]);
    let binary: &'static str = Box::leak(process::pantry().to_string_lossy().into_owned().into_boxed_str());
    for linker in linkers {
        let name = format!("offline-{linker}");
        bench.project(&name, manifest);
        let linker: &'static str = Box::leak((*linker).to_owned().into_boxed_str());
        let home = format!("PANTRY_HOME={}", bench.dir.path().join(&name).join("home").to_string_lossy());
        let home: &'static str = Box::leak(home.into_boxed_str());
        let argv = cut_off(&[
            "env",
            home,
            binary,
            "install",
            "--offline",
            "--mirror",
            "../stick",
            "--linker",
            linker,
        ]);
        let out = bench.run(&name, &argv);
        assert_eq!(out.status, 0, "{argv:?}:\n{}{}", text(&out.stdout), text(&out.stderr));
        let lock = bench.dir.path().join(&name).join("pantry.lock");
        compare(&npm_set(&bench.dir.path().join("npm/package-lock.json")), &pantry_set(&lock));
        for module in modules {
            let load = format!(
                "import('{module}').then(m => process.stdout.write(typeof m), e => {{ console.error(e); process.exit(1) }})"
            );
            let required = bench.run(&name, &["node", "-e", &format!("require('{module}')")]);
            let loaded = bench.run(&name, &["node", "-e", &load]);
            assert!(required.status == 0, "require('{module}'), {linker}: {}", text(&required.stderr));
            assert_eq!(
                text(&loaded.stdout),
                "object",
                "import('{module}'), {linker}: {}",
                text(&loaded.stderr)
            );
        }
        for bin in bins {
            let out = bench.run(&name, &[&format!("./node_modules/.bin/{bin}"), "--version"]);
            assert_eq!(out.status, 0, "{bin}, {linker}: {}{}", text(&out.stdout), text(&out.stderr));
            assert!(text(&out.stdout).contains(|c: char| c.is_ascii_digit()), "{bin} says no version");
        }
    }
}

/// npm's set and ours, name by name: every difference must be one of the explained ones (none is known).
fn compare(npm: &BTreeSet<String>, ours: &BTreeSet<String>) {
    let missing: Vec<_> = npm.difference(ours).collect();
    let more: Vec<_> = ours.difference(npm).collect();
    assert!(
        missing.is_empty() && more.is_empty(),
        "npm resolves {} packages, pantry {}; only npm has {missing:?}; only pantry has {more:?}",
        npm.len(),
        ours.len()
    );
}

#[test]
fn a_sample_of_real_packages_is_carried() {
    let Some(bench) = Bench::new() else { return };
    carried(&bench, SAMPLE, &["hoisted"], &["express", "clsx", "debug"], &[]);
}

#[test]
fn the_react_app_is_carried_in_every_linker() {
    if std::env::var_os("PANTRY_TEST_FULL").is_none() {
        support::say("NOT SHOWN: the React app in every linker belongs to make test-full");
        return;
    }
    let Some(bench) = Bench::new() else { return };
    let modules = ["react", "express", "typescript", "vite", "eslint"];
    carried(&bench, APP, &["hoisted", "isolated", "store"], &modules, &["tsc", "vite", "eslint"]);
}
