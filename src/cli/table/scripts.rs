//! Running a project's scripts and packages' programs.

use super::{JSON, NETWORK};
use crate::cli::command::{Command, Flag, Kind, PassOn, command, flag, optional, required};

const PASSES_STATUS: &str = "The exit status is the script's own.";

/// In which members of a workspace.
const MEMBERS: &[Flag] = &[
    flag("filter", "Only in members of this name or folder: `@app/*`, `./web`, `web...`, `...web`, `!web`")
        .short('F')
        .value("PATTERN", Kind::Text)
        .repeats(),
    flag("parallel", "Run in several workspace members at once").conflicts(&["sequential"]),
    flag("sequential", "Run in one workspace member after the other"),
    flag("if-present", "Do nothing, successfully, where no script has that name"),
];

pub const ROWS: &[Command] = &[
    command("run", "Run a script of the manifest")
        .about(
            "What stands after the script's name goes to the script. The exit status is the script's own \
             (128 + n where signal n ended it). `preNAME` and `postNAME` run before and after it. A name that no script \
             has may be a program in node_modules/.bin. Without a name, lists the scripts.\n\n\
             With --filter, --parallel or --sequential it runs in the members of the workspace that have it, those that \
             others need first; with --parallel at once, each line with the member's name in front.",
        )
        .takes(&[optional("SCRIPT", Kind::Text, "Name of the script")])
        .passes_on(PassOn::Rest)
        .flags(&[
            MEMBERS,
            &[
                flag("ignore-scripts", "Leave out `preNAME` and `postNAME`"),
                flag("changed", "Only members that changed since this commit").value("REF", Kind::Text).later(),
                flag("watch", "Run again whenever a file changes").short('w').later(),
                flag("timeout", "Stop the script after this time").value("MS", Kind::Number).later(),
            ],
            JSON,
        ])
        .examples(&[
            ("run build --minify", "Run the script `build` with an argument"),
            ("run", "List the scripts"),
        ]),
    command("scripts", "List the scripts of the manifest")
        .flags(&[JSON])
        .examples(&[("scripts", "List every script and its command")]),
    command("test", "Run the script `test`")
        .about(PASSES_STATUS)
        .passes_on(PassOn::Rest)
        .flags(&[MEMBERS])
        .examples(&[("test -- --bail", "Run the tests with an argument")]),
    command("build", "Run the script `build`")
        .about(PASSES_STATUS)
        .passes_on(PassOn::Rest)
        .flags(&[MEMBERS])
        .examples(&[("build", "Build the project")]),
    command("dev", "Run the script `dev`")
        .about(PASSES_STATUS)
        .passes_on(PassOn::Rest)
        .flags(&[MEMBERS])
        .examples(&[("dev", "Start the development server")]),
    command("px", "Run a package's program, installing it for this run if need be")
        .about(
            "From node_modules/.bin of this folder or one above; else from a tree of its own in PANTRY_HOME, made of \
             mirrors where they have it and of the registry where they have not (on a terminal it asks before). \
             `NAME@latest` asks the registry first. A package with several programs runs the one that is called like \
             it. What stands after the program's name goes to it; the exit status is the program's own. A link to \
             pantry that is called `px` is this command.",
        )
        .takes(&[required("PROGRAM", Kind::Package, "Name of the program, with or without a version")])
        .passes_on(PassOn::Rest)
        .flags(&[
            &[
                flag("package", "The package that has the program")
                    .short('p')
                    .value("PACKAGE", Kind::Package)
                    .repeats(),
                flag("yes", "Fetch what is not here without asking").short('y'),
            ],
            NETWORK,
        ])
        .examples(&[("px tsc --version", "Run a program of node_modules/.bin or of a registry")]),
    command("exec", "Run a program in the project's environment")
        .takes(&[optional("PROGRAM", Kind::Text, "The program (default: a shell)")])
        .passes_on(PassOn::Rest)
        .examples(&[("exec node --version", "Run the node that the project asks for")]),
];
