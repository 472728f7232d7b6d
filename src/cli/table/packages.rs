//! What a project depends on.

use super::{DRY_RUN, FILTER, GLOBAL_INSTALL, JSON, NETWORK};
use crate::cli::command::{Command, Flag, Kind, command, flag, optional, required};

/// The shapes that `node_modules` can have; the first is the default.
const LINKERS: &[&str] = &["hoisted", "isolated", "store"];

/// How a tree is made, whatever asked for it.
const TREE: &[Flag] = &[
    flag("linker", "How node_modules is laid out").value("KIND", Kind::Choice(LINKERS)),
    flag("no-save", "Leave the manifest and the lockfile as they are"),
    flag("ignore-scripts", "Run no package scripts (they never run unless a package is trusted)"),
    flag("legacy-peer-deps", "Neither install nor check peer dependencies"),
    flag("strict-peer-deps", "Fail at every conflict of peer dependencies"),
    flag("engine-strict", "Fail where a package is not for the node that is here"),
    flag("allow-source-change", "Let a package come from another source than the lockfile says").later(),
    flag("no-cache", "Look again at what was cached; mirrors still count"),
];

const PRODUCTION: &[Flag] =
    &[flag("production", "Leave out development dependencies").short('p').conflicts(&["dev"])];

/// The group of the manifest that a new dependency goes to.
const GROUP: &[Flag] = &[
    flag("dev", "Save as a development dependency").short('D').conflicts(&["production", "peer", "optional"]),
    flag("peer", "Save as a peer dependency").short('P').conflicts(&["optional"]),
    flag("optional", "Save as an optional dependency").short('O'),
    flag("save-prod", "Save as a normal dependency, if it stands elsewhere")
        .conflicts(&["dev", "peer", "optional"]),
    flag("exact", "Save the exact version in place of a range").short('E'),
];

pub const ROWS: &[Command] = &[
    command("install", "Install what the project needs")
        .aliases(&["i"])
        .about(
            "Without arguments, installs what the nearest manifest upwards asks for: pantry.json, \
             pantry.jsonc, package.jsonc or package.json. A lockfile that fits decides the versions; \
             otherwise they are resolved and pantry.lock is written.\n\n\
             Packages come from mirrors; what a mirror does not have is fetched from its registry and \
             kept in the home mirror. With --offline, mirrors are all there is. An install that is \
             interrupted leaves the old tree or the new one.",
        )
        .takes(&[optional("PACKAGE", Kind::Package, "Packages to add, each with or without a range").many()])
        .flags(&[
            &[
                flag("frozen-lockfile", "Fail when the lockfile does not fit the manifest"),
                flag("lockfile-only", "Choose versions and write pantry.lock, nothing else"),
                flag("force", "Make the tree anew, and mend what was changed in the store").short('f'),
            ],
            PRODUCTION,
            GROUP,
            TREE,
            NETWORK,
            FILTER,
            GLOBAL_INSTALL,
            DRY_RUN,
            JSON,
        ])
        .examples(&[
            ("install", "Install what the manifest asks for"),
            ("install --offline --mirror /media/stick/PANTRY", "Install from a stick, without a network"),
            ("install --frozen-lockfile --production", "Install exactly what is locked, for deployment"),
        ]),
    command("add", "Add packages to the manifest and install them")
        .about(
            "Writes the pantry file where there is one, else package.json, else a new pantry.json. \
             Comments and order in the file stay as they are. A package that stands in a group stays in \
             it, unless an option says which.\n\n\
             PACKAGE is NAME, NAME@RANGE, NAME@TAG or ALIAS@npm:NAME@RANGE. What is written is the version \
             that was chosen with ^ before it (npm's save-prefix and save-exact count), or the range that \
             was asked for where that is narrower. A package that cannot be had, or does not go with the \
             others, changes nothing: manifest, lockfile and tree change together.",
        )
        .takes(&[required("PACKAGE", Kind::Package, "Packages, each with or without a range").many()])
        .flags(&[GROUP, TREE, NETWORK, FILTER, GLOBAL_INSTALL, DRY_RUN, JSON])
        .examples(&[
            ("add lodash", "Add the newest version, as a caret range"),
            ("add -D typescript@~5.4", "Add a development dependency with a range"),
        ]),
    command("remove", "Remove packages from the manifest and the tree")
        .aliases(&["rm", "uninstall"])
        .about("Takes them out of every group of the manifest. A name that no group has is an error.")
        .takes(&[required("PACKAGE", Kind::Package, "Names of packages").many()])
        .flags(&[TREE, FILTER, GLOBAL_INSTALL, DRY_RUN, JSON])
        .examples(&[("remove lodash", "Remove a dependency")]),
    command("update", "Move packages to the newest versions that the manifest allows")
        .aliases(&["up", "upgrade"])
        .about(
            "Chooses versions anew, of everything or of the named packages (also of those that dependencies \
             brought along), and writes the lockfile. With --latest the manifest's ranges are let go of and \
             rewritten, each in its own style; nothing goes to a lower version.",
        )
        .takes(&[optional("PACKAGE", Kind::Package, "Only these packages").many()])
        .flags(&[
            &[
                flag("latest", "Go beyond the manifest's ranges, and rewrite them"),
                flag("interactive", "Show what there is, and ask which of it").short('i'),
            ],
            PRODUCTION,
            TREE,
            NETWORK,
            FILTER,
            GLOBAL_INSTALL,
            DRY_RUN,
            JSON,
        ])
        .examples(&[
            ("update", "Update everything within its range"),
            ("update react --latest", "Move one package to its newest version"),
        ]),
    command("list", "List the packages that are installed")
        .aliases(&["ls"])
        .takes(&[optional("PATTERN", Kind::Text, "Only names that match").many()])
        .flags(&[
            &[
                flag("all", "List what dependencies brought along, too").short('a'),
                flag("depth", "Show the tree, so many levels below the project's own").value("N", Kind::Number),
            ],
            PRODUCTION,
            GLOBAL_INSTALL,
            FILTER, JSON,
        ])
        .examples(&[
            ("list", "List the direct dependencies"),
            ("list --json", "The same for a program to read"),
        ]),
    command("tree", "Show the dependency tree")
        .takes(&[optional("PACKAGE", Kind::Package, "Begin at these packages").many()])
        .flags(&[
            &[
                flag("no-versions", "Leave out version numbers"),
                flag("no-dev", "Leave out development dependencies"),
                flag("peer", "Show peer dependencies"),
                flag("depth", "Go this deep").value("N", Kind::Number),
            ],
            FILTER, JSON,
        ])
        .examples(&[
            ("tree", "Show the whole tree"),
            ("tree --depth=2 --no-dev", "Show two levels of what runs in production"),
        ]),
    command("why", "Explain why a package is installed")
        .takes(&[required("PACKAGE", Kind::Package, "The package to explain").many()])
        .flags(&[&[flag("depth", "Go this deep").value("N", Kind::Number)], FILTER, JSON])
        .examples(&[("why semver", "Show every chain that leads to semver")]),
    command("outdated", "List packages that have newer versions")
        .about(
            "For each of the project's own dependencies: the installed version, the highest that the \
             manifest allows, and the one that is tagged `latest` (offline: the highest in the mirrors). \
             Exits 1 when there is any, as npm does.",
        )
        .takes(&[optional("PACKAGE", Kind::Package, "Only these packages").many()])
        .flags(&[PRODUCTION, NETWORK, FILTER, GLOBAL_INSTALL, JSON])
        .examples(&[("outdated", "List what could be updated")]),
    command("dedupe", "Resolve again so that fewer versions are needed")
        .about("Chooses anew where there are several versions of a package; what is there is kept before a newer one comes.")
        .flags(&[
            &[flag("check", "Change nothing, and exit 1 if something could be")],
            TREE,
            NETWORK,
            DRY_RUN,
            JSON,
        ])
        .examples(&[("dedupe --dry-run", "Show which versions would go")]),
    command("prune", "Remove what the lockfile does not ask for from the tree")
        .about("Also what something else than pantry put into node_modules; hidden folders stay.")
        .flags(&[PRODUCTION, DRY_RUN, JSON])
        .examples(&[("prune --production", "Drop development dependencies from the tree")]),
    command("audit", "Check packages for known weaknesses")
        .about(
            "Asks the registry of each package for advisories on the locked versions. Exits 1 where there is one of \
             the level or worse (default: low), and fails where there is no answer: that is not «nothing known».",
        )
        .flags(&[
            &[
                flag("audit-level", "Fail from this severity on")
                    .value("LEVEL", Kind::Choice(&["low", "moderate", "high", "critical"])),
                flag("ignore", "Leave out this advisory").value("ID", Kind::Text).repeats(),
            ],
            PRODUCTION,
            NETWORK,
            JSON,
        ])
        .examples(&[("audit --audit-level high", "Fail on high and critical advisories")]),
    command("search", "Search mirrors and registries for packages")
        .takes(&[required("TEXT", Kind::Text, "Words to look for").many()])
        .flags(&[&[flag("limit", "Show at most this many").value("N", Kind::Number)], NETWORK, JSON])
        .examples(&[("search markdown parser", "Find packages by words")]),
    command("info", "Show what is known about a package")
        .aliases(&["view", "show"])
        .about("What the registry says, offline what the mirrors say. A FIELD is a key of the version's package.json (`dist.tarball`), `versions` or `dist-tags`.")
        .takes(&[
            required("PACKAGE", Kind::Package, "Name, with or without a version"),
            optional("FIELD", Kind::Text, "Show only this"),
        ])
        .flags(&[NETWORK, JSON])
        .examples(&[
            ("info react@18", "Show versions, dependencies and where the archive lies"),
            ("info react dist.tarball", "Show one field"),
        ]),
    command("init", "Make a pantry.json for a new project")
        .about("Asks for name, version and description on a terminal. A manifest that is there is never written over.")
        .takes(&[optional("DIR", Kind::Dir, "The project's folder (default: this one)")])
        .flags(&[&[
            flag("yes", "Take the proposed answers without asking").short('y'),
            flag("preset", "Start from a preset")
                .value("NAME", Kind::Choice(&["typescript", "monorepo-typescript"])),
        ]])
        .examples(&[("init", "Ask for name, version and description"), ("init --yes", "Ask nothing")]),
    command("ci", "Install exactly what is locked, from nothing")
        .about("The same as `pantry install --frozen-lockfile --force`, for continuous integration.")
        .flags(&[PRODUCTION, TREE, NETWORK, FILTER, JSON])
        .examples(&[("ci", "Install what pantry.lock says, or fail")]),
    command("import", "Make pantry.lock from another package manager's lockfile")
        .about(
            "Takes exactly the versions that it holds: package-lock.json and npm-shrinkwrap.json (npm 7 and newer), \
             pnpm-lock.yaml (pnpm 8 and newer), yarn.lock, bun.lock, and the earlier pantry's pantry.lock. `install` \
             does the same where there is no pantry.lock.",
        )
        .takes(&[optional("FILE", Kind::File, "The lockfile (default: the one that is there)")])
        .flags(&[NETWORK, DRY_RUN, JSON])
        .examples(&[("import package-lock.json", "Keep the versions that npm has chosen")]),
    command("link", "Use a local folder in place of a package")
        .about(
            "Without an argument, offers the package of this folder under its name. In another project, \
             `pantry link NAME` takes what was offered, `pantry link ../FOLDER` that folder. Neither manifest \
             nor lockfile change; every install keeps the links, until `pantry unlink`.",
        )
        .takes(&[optional("PACKAGE", Kind::Dir, "Names that were offered, or folders").many()])
        .examples(&[("link", "Offer the package of this folder"), ("link ../my-lib", "Use ../my-lib in this project")]),
    command("unlink", "Undo `link`")
        .takes(&[optional("PACKAGE", Kind::Package, "Names of linked packages (default: withdraw the offer)").many()])
        .examples(&[("unlink my-lib", "Use the registry's package again")]),
    command("trust", "Let a package run its install scripts")
        .about(
            "Without a name, lists the packages that asked to run scripts at install and may not, with the scripts.\n\n\
             A name goes into `trustedDependencies` of the manifest, and the scripts run. `NAME@VERSION` trusts that \
             version only, `NAME@sha512-…` that archive only, as it is written for archives beside the manifest. `.` lets \
             the project run its own scripts (`postinstall`, `prepare`, …) at install, as long as they stay what they \
             are; that is written down in PANTRY_HOME, not in the project.",
        )
        .takes(&[optional("PACKAGE", Kind::Package, "Names of packages, or `.` for the project itself").many()])
        .flags(&[TREE, NETWORK, JSON])
        .examples(&[
            ("trust esbuild", "Allow the scripts of one package"),
            ("trust", "List what asked to run a script"),
        ]),
    command("untrust", "Take the permission for install scripts back")
        .takes(&[required("PACKAGE", Kind::Package, "Names of packages, or `.` for the project itself").many()])
        .flags(&[TREE, NETWORK, JSON])
        .examples(&[("untrust esbuild", "Refuse the scripts of one package again")]),
    command("clean", "Remove what an install has made in the project")
        .about("Removes node_modules, also of workspace members; manifests, lockfiles and mirrors stay.")
        .flags(&[DRY_RUN, JSON])
        .examples(&[("clean", "Remove node_modules")]),
];
