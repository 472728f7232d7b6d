//! MinZ packages for Z80 and 6502 machines: `mzp …`, the same as `pantry mzp …`.

use super::{DRY_RUN, JSON};
use crate::cli::command::{Command, Flag, Kind, PassOn, command, flag, optional, required};

const PLACE: &str =
    "A package: zx-graphics, zx-graphics@^1.0, ./folder, file:../folder, user/repo@TAG, a URL";

/// What selects the graph.
const SELECT: &[Flag] = &[
    flag("target", "The machine to build for (default: the manifest's)").short('t').value("NAME", Kind::Text),
    flag("features", "Features to turn on").value("LIST", Kind::List).repeats(),
    flag("no-default-features", "Leave the default features off"),
];

/// The same for `install`, which installs for all targets and features.
const SELECT_LATER: &[Flag] = &[
    flag("target", "Only what this machine needs").short('t').value("NAME", Kind::Text).later(),
    flag("features", "Only what these features need").value("LIST", Kind::List).repeats().later(),
    flag("no-default-features", "Leave the default features off").later(),
];

const REGISTRY: &[Flag] = &[flag("registry", "Use this MinZ registry for this run").value("URL", Kind::Url)];

const FROZEN: &[Flag] = &[
    flag("frozen-lockfile", "Fail when the lockfile does not fit the manifest"),
    flag("locked", "The same as --frozen-lockfile"),
];

const COMPILE: &[Flag] = &[
    flag("release", "Leave out what stands in @if(DEBUG)"),
    flag("define", "Define a name, as NAME or NAME=VALUE: for @if, and as a word of the project's files")
        .short('d')
        .value("NAME", Kind::Text)
        .repeats(),
    flag("timeout", "Stop the compiler or the assembler after this time").value("MS", Kind::Number),
];

/// What `build` can write.
const EMIT: &[&str] = &["asm", "bundle", "staged", "bin", "tap", "sna", "com", "prg"];

pub const ROWS: &[Command] =
    &[command("mzp", "Manage and build MinZ packages (the same as the program `mzp`)")
        .about("Everything here is also there when the binary is called as `mzp`.")
        .examples(&[("mzp build", "Build the MinZ project in this folder")])
        .members(MEMBERS)];

pub const MEMBERS: &[Command] = &[
    command("init", "Make an mzp.toml for the project in this folder")
        .takes(&[optional("DIR", Kind::Dir, "The project's folder (default: this one)")])
        .flags(&[&[
            flag("name", "The package's name (default: the folder's)").value("NAME", Kind::Text),
            flag("target", "The machine to build for").short('t').value("NAME", Kind::Text),
        ]])
        .examples(&[("mzp init", "Make mzp.toml and src/main.minz")]),
    command("create", "Make a new folder with a library in it")
        .takes(&[required("NAME", Kind::Text, "The package's name")])
        .flags(&[&[
            flag("target", "The machine to build for").short('t').value("NAME", Kind::Text),
            flag("lib", "A library, as without this option (`mzp init` makes a program)"),
        ]])
        .examples(&[("mzp create my-lib", "Make the folder my-lib")]),
    command("install", "Install what mzp.toml asks for, or add packages to it")
        .aliases(&["i"])
        .about(
            "Packages come from mirrors first. The lockfile holds the union for all targets that the \
             manifest supports.",
        )
        .takes(&[optional("PACKAGE", Kind::Package, PLACE).many()])
        .flags(&[FROZEN, SELECT_LATER, REGISTRY, DRY_RUN, JSON])
        .examples(&[
            ("mzp install", "Install what mzp.toml asks for"),
            ("mzp install zx-graphics", "Add a package and install it"),
        ]),
    command("add", "Add packages to mzp.toml and install them")
        .takes(&[required("PACKAGE", Kind::Package, PLACE).many()])
        .flags(&[
            &[flag("dev", "Save as a development dependency").short('D')],
            &[flag("platform", "Save for this platform only").value("NAME", Kind::Text)],
            REGISTRY,
            DRY_RUN,
            JSON,
        ])
        .examples(&[("mzp add zx-hardware --platform spectrum", "Add a package for one platform")]),
    command("remove", "Remove packages from mzp.toml")
        .aliases(&["rm", "uninstall"])
        .takes(&[required("PACKAGE", Kind::Package, "Names of packages").many()])
        .flags(&[DRY_RUN, JSON])
        .examples(&[("mzp remove zx-graphics", "Remove a dependency")]),
    command("update", "Move packages to the newest versions that mzp.toml allows")
        .aliases(&["up"])
        .takes(&[optional("PACKAGE", Kind::Package, "Only these packages").many()])
        .flags(&[REGISTRY, DRY_RUN, JSON])
        .examples(&[("mzp update", "Update every package"), ("mzp update zx-graphics", "Update one")]),
    command("search", "Search mirrors for MinZ packages")
        .takes(&[required("TEXT", Kind::Text, "Words to look for").many()])
        .flags(&[JSON])
        .examples(&[("mzp search graphics", "Find packages by a word")]),
    command("info", "Show what is known about a MinZ package")
        .takes(&[required("PACKAGE", Kind::Package, "Name, with or without a version")])
        .flags(&[REGISTRY, JSON])
        .examples(&[("mzp info zx-graphics", "Show versions, targets and features")]),
    command("list", "List the packages that are installed")
        .aliases(&["ls"])
        .flags(&[JSON])
        .examples(&[("mzp list", "List the packages of this project")]),
    command("tree", "Show the dependency tree")
        .flags(&[SELECT, JSON])
        .examples(&[("mzp tree --target spectrum", "Show what the Spectrum build needs")]),
    command("why", "Explain why a package is installed")
        .takes(&[required("PACKAGE", Kind::Package, "The package to explain")])
        .flags(&[JSON])
        .examples(&[("mzp why zx-core", "Show every chain that leads to zx-core")]),
    command("outdated", "List packages that have newer versions")
        .flags(&[REGISTRY, JSON])
        .examples(&[("mzp outdated", "List what could be updated")]),
    command("build", "Build the project with its packages")
        .about(
            "Gives the packages to the compiler named by MZ, or `mz` on the PATH. With --emit bundle, all \
             reachable source is written as one unit and no compiler is needed.",
        )
        .takes(&[optional("FILE", Kind::File, "The main file (default: src/main.minz)")])
        .flags(&[
            SELECT,
            &[
                flag("emit", "What to write (default: asm)").value("KIND", Kind::Choice(EMIT)),
                flag("output", "Write to this file").short('o').value("FILE", Kind::File),
            ],
            FROZEN,
            COMPILE,
            JSON,
        ])
        .examples(&[
            ("mzp build", "Build for the default target"),
            ("mzp build --target cpm", "Build for CP/M"),
            ("mzp build --emit bundle -o game.minz", "Write one source file"),
        ]),
    command("run", "Build the project and run it")
        .about("Runs in the built-in runner. The exit status is the program's own.")
        .takes(&[optional("FILE", Kind::File, "The main file (default: src/main.minz)")])
        .passes_on(PassOn::AfterDashes)
        .flags(&[
            SELECT,
            COMPILE,
            &[
                flag("example", "Run this file of examples/").value("NAME", Kind::Text),
                flag("cycles", "Say how many processor cycles it took"),
                flag("max-cycles", "Stop it after so many cycles (default: 1000000000)")
                    .value("N", Kind::Number),
                flag("emulator", "Start this command with the built file in place of the built-in runner")
                    .value("COMMAND", Kind::Text),
            ],
        ])
        .examples(&[
            ("mzp run", "Build and run"),
            ("mzp run --target cpm -- a.txt", "Give a CP/M program arguments"),
            ("mzp run --emulator fuse", "Run in an emulator"),
        ]),
    command("test", "Build and run the tests")
        .about("The exit status is the tests' own.")
        .takes(&[optional("FILE", Kind::File, "Only these test files").many()])
        .flags(&[SELECT, COMPILE, JSON])
        .examples(&[("mzp test", "Run every file of tests/")]),
    command("clean", "Remove what a build has made")
        .flags(&[DRY_RUN, JSON])
        .examples(&[("mzp clean", "Remove staged and built files")]),
    command("publish", "Pack the package and put it into a mirror or a registry's folder")
        .about(
            "A version that is there already with other bytes is refused. Without --to, it goes into the first \
             mirror that --mirror, PANTRY_MIRROR or a configuration name, else into the home mirror.",
        )
        .flags(&[
            &[flag("to", "Into this folder, which any web server can serve as a registry")
                .value("DIR", Kind::Dir)],
            DRY_RUN,
            JSON,
        ])
        .examples(&[
            ("mzp publish --dry-run", "Show what would be in the archive"),
            ("mzp publish --mirror /media/stick/PANTRY", "Put the package on a stick"),
            ("mzp publish --to /srv/www/minz", "Put it into a registry's folder"),
        ]),
    command("vendor", "Copy the packages into the project, to be kept with it")
        .flags(&[DRY_RUN, JSON])
        .examples(&[("mzp vendor", "Make the project build without any mirror")]),
    command("doctor", "Check that the compiler and the packages are in order")
        .flags(&[JSON])
        .examples(&[("mzp doctor", "Say what is missing and how to get it")]),
];
