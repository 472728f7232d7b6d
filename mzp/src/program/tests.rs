//! Programs read from real folders, and what becomes of them.

use super::active::{Active, Selection};
use super::*;
use crate::bundle::bundle;
use crate::expand::Definitions;
use crate::manifest::Manifest;
use crate::platform::Platform;

/// A project on disk: `path`, `text` pairs; manifests get their `[package]` table.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let head = match path.file_name().unwrap().to_str() {
                Some("mzp.toml") => {
                    let name = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
                    let name = if path.parent().unwrap() == dir.path() { "game" } else { name };
                    format!("[package]\nname = \"{name}\"\nversion = \"1.0.0\"\n")
                }
                _ => String::new(),
            };
            #[allow(clippy::disallowed_methods)]
            std::fs::write(path, head + text).unwrap();
        }
        Self(dir)
    }
    pub(crate) fn with<T>(&self, target: &str, f: impl FnOnce(&Active<'_>, Result<Program>) -> T) -> T {
        let manifest = Manifest::load(self.0.path()).unwrap().unwrap();
        let platform = Platform::find(target).unwrap();
        let active = Active::select(&manifest, platform, &Selection::default(), None).unwrap();
        let environment = Environment { platform, debug: true, definitions: Definitions::default() };
        let program = Program::load(&active, &self.0.path().join("src/main.minz"), &environment, &[], &[]);
        f(&active, program)
    }
    fn bundle(&self, target: &str) -> String {
        self.with(target, |_, p| match p.and_then(|p| bundle(&p)) {
            Ok(b) => b.text,
            Err(e) => e.to_string().replace(&format!("{}/", self.0.path().display()), ""),
        })
    }
}

const CORE: [(&str, &str); 2] = [
    ("packages/zx-core/mzp.toml", ""),
    (
        "packages/zx-core/src/lib.minz",
        "pub const LIVES: u8 = 3;\npub fun reset() -> void { helper(); }\nfun helper() -> void { @print(\"r\"); }\npub fun unused() -> void {}\n",
    ),
];
const GRAPHICS: [(&str, &str); 3] = [
    (
        "packages/zx-graphics/mzp.toml",
        "[dependencies]\nzx-core = \"1\"\n[features]\nsprites = [\"src/sprites.minz\"]\ntiles = [\"src/tiles.minz\"]\ndefault = [\"sprites\"]\n",
    ),
    (
        "packages/zx-graphics/src/lib.minz",
        "import zx_core;\npub fun draw_all() -> void {\n    zx_core.reset();\n}\n",
    ),
    (
        "packages/zx-graphics/src/sprites.minz",
        "import zx_core as c;\npub fun draw_all() -> void { c.reset(); }\n",
    ),
];

fn game<'a>(main: &'a str, manifest: &'a str) -> Folder {
    let mut files = vec![("mzp.toml", manifest), ("src/main.minz", main)];
    files.extend(CORE);
    files.extend(GRAPHICS);
    files.push(("packages/zx-graphics/src/tiles.minz", "pub fun t() -> void {}\n"));
    Folder::of(&files)
}
const BOTH: &str = "[dependencies]\nzx-core = \"1\"\nzx-graphics = \"1\"\n";

#[test]
fn a_bundle_has_every_helper_once_and_nothing_more() {
    let main = "import zx_graphics.sprites as spr;\nimport zx_graphics;\nimport zx_core;\nimport std;\n\nfun draw_all() -> void { @print(\"{zx_core.LIVES}\"); }\nfun main() -> void {\n    let helper = 1; spr.draw_all(); zx_graphics.draw_all(); draw_all();\n}\n";
    let expected = "import std;
// zx-core: zx_core
const zxCoreLIVES: u8 = 3;
fun zxCoreReset() -> void { zxCoreHelper(); }
fun zxCoreHelper() -> void { @print(\"r\"); }
// zx-graphics: zx_graphics.sprites
fun zxGraphicsSpritesDrawAll() -> void { zxCoreReset(); }
// zx-graphics: zx_graphics
fun zxGraphicsDrawAll() -> void {
    zxCoreReset();
}
// main
fun drawAll() -> void { @print(\"{zxCoreLIVES}\"); }
fun main() -> void {
    let helper = 1; zxGraphicsSpritesDrawAll(); zxGraphicsDrawAll(); drawAll();
}
";
    let folder = game(main, BOTH);
    assert_eq!(folder.bundle("spectrum"), expected);
    folder.with("spectrum", |active, p| {
        let p = p.unwrap();
        let b = bundle(&p).unwrap();
        assert_eq!(b.map.len(), b.text.lines().count());
        let at = |needle: &str| {
            let line = b.text.lines().position(|l| l.contains(needle)).unwrap();
            b.map[line].map(|(m, l)| (p.modules[m].file.to_str().unwrap(), l))
        };
        assert_eq!(at("zxCoreReset();\n".trim()), Some(("packages/zx-graphics/src/sprites.minz", 2)));
        assert_eq!(at("    zxCoreReset();"), Some(("packages/zx-graphics/src/lib.minz", 3)));
        assert_eq!(at("let helper"), Some(("src/main.minz", 8)));
        assert_eq!(at("import std"), None);
        assert_eq!(b.names["zxCoreReset"], "zx_core.reset");
        assert_eq!(crate::shake::unused_modules(&p, active), (1, 23), "tiles.minz");
    });
}

#[test]
fn platform_imports_follow_the_target() {
    let main = "@if(TARGET_SPECTRUM) {\n    import zx_core;\n}\nfun main() -> void {\n    @if(TARGET_SPECTRUM) { zx_core.reset(); }\n}\n";
    let folder = game(main, BOTH);
    assert!(folder.bundle("spectrum").contains("zxCoreReset();"));
    assert!(!folder.bundle("cpm").contains("zxCore"));
}

#[test]
fn imports_that_lead_nowhere_say_where_and_why() {
    for (main, manifest, expected) in [
        (
            "\nimport zx_sound;\nfun main() -> void {}",
            BOTH,
            "src/main.minz:2:8: cannot find module `zx_sound`",
        ),
        (
            "import zx_core;\nfun main() -> void {}",
            "[dependencies]\nzx-graphics = \"1\"\n",
            "src/main.minz:1:8: `zx_core` is in zx-core, which the project does not depend on",
        ),
        (
            "import zx_graphics.nope;\nfun main() -> void {}",
            BOTH,
            "src/main.minz:1:8: zx-graphics has no module `zx_graphics.nope` (no src/nope.minz); it has zx_graphics, zx_graphics.sprites, zx_graphics.tiles",
        ),
        (
            "import zx_graphics.tiles;\nfun main() -> void {}",
            BOTH,
            "src/main.minz:1:8: `zx_graphics.tiles` belongs to the feature `tiles` of zx-graphics, which is not enabled",
        ),
        (
            "import zx_core;\nfun main() -> void { zx_core.rest(); }",
            BOTH,
            "src/main.minz:2:30: zx_core has no `rest`",
        ),
        (
            "import zx_core;\nfun main() -> void { zx_core.helper(); }",
            BOTH,
            "src/main.minz:2:30: `helper` is private in zx_core (it is not `pub`)",
        ),
        ("fun start() -> void {}", BOTH, "src/main.minz: no `fun main`"),
    ] {
        assert_eq!(game(main, manifest).bundle("spectrum"), expected, "{main}");
    }
}

#[test]
fn features_open_modules() {
    let manifest = "[dependencies]\nzx-graphics = { version = \"1\", features = [\"tiles\"] }\n";
    let main = "import zx_graphics.tiles;\nfun main() -> void { zx_graphics.tiles.t(); }";
    assert!(game(main, manifest).bundle("spectrum").contains("zxGraphicsTilesT();"));
}

#[test]
fn own_files_come_first_and_cycles_end() {
    let folder = Folder::of(&[
        ("mzp.toml", BOTH),
        (
            "src/main.minz",
            "import zx_core;\nimport ui.menu;\nfun main() -> void { zx_core.own(); ui.menu.open(); }",
        ),
        ("src/zx_core.minz", "import ui.menu;\npub fun own() -> void { ui.menu.open(); }"),
        ("src/ui/menu.minz", "import zx_core;\npub fun open() -> void { zx_core.own(); }"),
        ("packages/zx-core/mzp.toml", ""),
        ("packages/zx-core/src/lib.minz", "pub fun other() -> void {}"),
        ("packages/zx-graphics/mzp.toml", ""),
    ]);
    let text = folder.bundle("spectrum");
    assert!(text.contains("fun zxCoreOwn() -> void { uiMenuOpen(); }"), "{text}");
    assert!(text.contains("fun main() -> void { zxCoreOwn(); uiMenuOpen(); }"), "{text}");
}

#[test]
fn two_meanings_are_an_error() {
    let folder = Folder::of(&[
        ("mzp.toml", "[dependencies]\nmath = \"1\"\nmath-fixed = \"1\"\n"),
        ("src/main.minz", "import math.fixed as fx;\nfun main() -> void { fx.one(); }"),
        ("packages/math/mzp.toml", ""),
        ("packages/math/src/fixed.minz", "pub fun one() -> void {}"),
        ("packages/math-fixed/mzp.toml", ""),
        ("packages/math-fixed/src/lib.minz", "pub fun one() -> void {}"),
    ]);
    assert_eq!(
        folder.bundle("spectrum"),
        "src/main.minz:1:8: `math.fixed` can mean math (packages/math/src/fixed.minz), math-fixed (packages/math-fixed/src/lib.minz)"
    );
}

#[test]
fn fields_and_locals_are_not_the_modules_names() {
    let folder = Folder::of(&[
        ("mzp.toml", "[dependencies]\nlib = \"1\"\n"),
        ("src/main.minz", "import lib;\nfun main() -> void { lib.go(); }"),
        ("packages/lib/mzp.toml", ""),
        (
            "packages/lib/src/lib.minz",
            "pub const size: u8 = 1;\nstruct Box { size: u8 }\npub fun go() -> void {\n    let b = Box { size: size };\n    b.size = size;\n    inner(size);\n}\nfun inner(size: u8) -> void { size; }\n",
        ),
    ]);
    let text = folder.bundle("spectrum");
    for line in [
        "struct libBox { size: u8 }",
        "    let b = libBox { size: libSize };",
        "    b.size = libSize;",
        "    libInner(libSize);",
        "fun libInner(size: u8) -> void { size; }",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} not in\n{text}");
    }
}

#[test]
fn a_staged_tree_keeps_every_line_in_its_place() {
    use crate::stage::{Layout, stage};
    let files = [
        ("mzp.toml", BOTH),
        (
            "src/main.minz",
            "// game\nimport zx_graphics;\nimport ui;\nfun main() -> void { zx_graphics.draw(); ui.go(); }\n",
        ),
        ("src/ui.minz", "pub fun go() -> void {}\n"),
        ("packages/zx-core/mzp.toml", ""),
        ("packages/zx-core/src/lib.minz", "pub fun reset() -> void {}\n"),
        ("packages/zx-graphics/mzp.toml", "[dependencies]\nzx-core = \"1\"\n"),
        (
            "packages/zx-graphics/src/lib.minz",
            "import zx_core;\npub fun draw() -> void { zx_core.reset(); }\n",
        ),
    ];
    Folder::of(&files).with("spectrum", |_, p| {
        let p = p.unwrap();
        let staged = stage(&p, Layout::Flat).unwrap();
        assert_eq!(staged.traps, []);
        let names: Vec<_> = staged.files.iter().map(|(f, _)| f.as_str()).collect();
        assert_eq!(names, ["main.minz", "ui.minz", "zx_core.minz", "zx_graphics.minz"]);
        let main = &staged.files[0].1;
        assert_eq!(
            main.lines().next(),
            Some("import zx_core; import zx_graphics; import ui; // game"),
            "dependencies first"
        );
        assert_eq!(main.lines().nth(3), Some("fun main() -> void { zx_graphics.draw(); ui.go(); }"));
        assert_eq!(main.lines().nth(1).map(str::trim), Some(""));
        let packages = stage(&p, Layout::Packages).unwrap();
        let names: Vec<_> = packages.files.iter().map(|(f, _)| f.as_str()).collect();
        let expected =
            ["main.minz", "packages/zx_core/src/lib.minz", "packages/zx_graphics/src/lib.minz", "ui.minz"];
        assert_eq!(names, expected);
    });
}

#[test]
fn what_the_compilers_modules_cannot_do_is_a_trap() {
    use crate::stage::{Layout, stage};
    let traps = |main: &str| {
        game(main, BOTH).with("spectrum", |_, p| {
            let staged = stage(&p.unwrap(), Layout::Flat).unwrap();
            staged.traps.iter().map(|t| format!("{}: {}", t.place, t.why)).collect::<Vec<_>>()
        })
    };
    let core = "packages/zx-core/src/lib.minz:3:1: the compiler does not see what is not `pub`, not even from its own module";
    assert_eq!(traps("import zx_core as c;\nfun main() -> void { c.reset(); }"), [core]);
    assert_eq!(
        traps("import zx_graphics.sprites;\nfun main() -> void { sprites.draw_all(); }"),
        [
            core,
            "packages/zx-graphics/src/sprites.minz:2:30: the compiler knows modules by their full name only",
            "src/main.minz:2:22: the compiler knows modules by their full name only"
        ]
    );
    assert!(
        traps("import zx_core.*;\nfun main() -> void { reset(); }")
            .contains(&"src/main.minz:1:1: the compiler does not expand `.*`".to_string())
    );
}

#[test]
fn the_compilers_own_modules_come_before_system_packages() {
    let folder = Folder::of(&[
        ("mzp.toml", ""),
        (
            "src/main.minz",
            "import std;\nimport tool_box.saw;\nfun main() -> void { tool_box.saw.cut(); std.cls(); }",
        ),
        ("system/std/mzp.toml", ""),
        ("system/tool-box/mzp.toml", ""),
        ("system/tool-box/src/saw.minz", "pub fun cut() -> void {}"),
    ]);
    let root = folder.0.path();
    let manifest = Manifest::load(root).unwrap().unwrap();
    let platform = Platform::usual();
    let system = Some(root.join("system"));
    let active = Active::select(&manifest, platform, &Selection::default(), system).unwrap();
    let environment = Environment { platform, debug: false, definitions: Definitions::default() };
    let program = Program::load(&active, &root.join("src/main.minz"), &environment, &[], &[]).unwrap();
    let text = bundle(&program).unwrap().text;
    assert!(text.starts_with("import std;\n") && text.contains("toolBoxSawCut(); std.cls();"), "{text}");
}
