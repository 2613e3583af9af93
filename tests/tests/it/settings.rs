//! Settings: the reference in the operations guide lists every option of the services and of `boxroomctl`, with its
//! default.

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Stdio},
};

/// The services, each with the command that runs it and its column in the reference.
const SERVICES: [(&str, &[&str], &str); 4] =
    [("command-service", &[], "C"), ("projector", &["run"], "P"), ("query-service", &[], "Q"), ("notifier", &[], "N")];

/// The environment variables of options, or the options without one, and their defaults, if they have one.
type Settings = BTreeMap<String, Option<String>>;

/// Returns the help text of a command.
fn help(program: &str, arguments: &[&str]) -> String {
    let programs = std::env::current_exe().unwrap();
    let program = programs.parent().and_then(Path::parent).unwrap().join(program);
    let output = Command::new(&program).args(arguments).arg("--help").env_clear().stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Reads `--option`, `[env: NAME=]`, `[env: NAME]` and `[default: VALUE]` from a help text.
fn of_help(help: &str) -> Settings {
    let mut found: Vec<(String, Option<String>)> = Vec::new();
    for line in help.lines().map(str::trim).take_while(|line| *line != "Examples:") {
        if line.starts_with('-') && !line.starts_with("- ") {
            found.push((line.split([' ', ',']).next().unwrap().to_owned(), None));
        }
        let Some((name, default)) = found.last_mut() else { continue };
        let in_brackets = |start: &str| line.split_once(start).and_then(|(_, rest)| rest.split(']').next());
        // A secret is shown without its value.
        if let Some(variable) = in_brackets("[env: ").and_then(|rest| rest.split('=').next()) {
            variable.clone_into(name);
        }
        if let Some(value) = in_brackets("[default: ") {
            *default = Some(value.to_owned());
        }
    }
    found.into_iter().filter(|(name, _)| !matches!(name.as_str(), "-h" | "-V")).collect()
}

/// Reads the rows of one column from the tables `| setting | default | C | P | Q | N | meaning |` of the guide.
fn of_guide(guide: &str, column: &str) -> Settings {
    let rows = guide.lines().filter_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [setting, default, c, p, q, n, _] = cells[..] else { return None };
        let name = setting.split('`').nth(1)?;
        [c, p, q, n].contains(&column).then(|| (name.to_owned(), Some(default.replace('`', ""))))
    });
    rows.collect()
}

/// Reads the table `| setting | default | meaning |` of a program. Several settings in a row have the same default.
fn of_section(guide: &str, program: &str) -> Settings {
    let (_, section) = guide.split_once(&format!("### Settings of `{program}`\n")).unwrap();
    let rows = section.split("\n##").next().unwrap().lines().filter_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [settings, default, _] = cells[..] else { return None };
        Some(quoted(settings).map(move |name| (name.to_owned(), Some(default.replace('`', "")))))
    });
    rows.flatten().collect()
}

/// Returns the words of a table cell in backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// Reads the options of one command from the table `| command | setting | default | meaning |` of `boxroomctl`. A row
/// without a command belongs to that of the row above, and one of a group to all commands of the group.
fn of_command(guide: &str, command: &str) -> Settings {
    let (_, section) = guide.split_once("### Settings of `boxroomctl`\n").unwrap();
    let section = section.split("\n##").next().unwrap();
    let (mut settings, mut commands) = (Settings::new(), "");
    for line in section.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [names, setting, default, _] = cells[..] else { continue };
        if !names.is_empty() {
            commands = names;
        }
        let is_of =
            |name: &str| command.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
        if quoted(commands).any(is_of) {
            let options = quoted(setting).filter(|name| name.starts_with("--") || name.starts_with("BOXROOM_"));
            settings.extend(options.map(|name| (name.to_owned(), Some(default.replace('`', "")))));
        }
    }
    settings
}

/// Returns the commands that a help text lists.
fn commands(help: &str) -> Vec<String> {
    let (_, list) = help.split_once("Commands:\n").unwrap_or_default();
    let names = list.lines().map_while(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

fn guide() -> String {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
    std::fs::read_to_string(guide).unwrap()
}

/// Checks that the guide lists these settings with their defaults.
fn same(program: &str, listed: &Settings, help: &Settings) {
    let names = |settings: &Settings| settings.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(listed), names(help), "the settings of {program}");
    for (name, default) in help.iter().filter_map(|(name, default)| Some((name, default.as_ref()?))) {
        assert_eq!(listed[name].as_ref(), Some(default), "the default of {name} in {program}");
    }
}

#[test]
fn the_guide_lists_every_setting_of_the_services() {
    let guide = guide();
    for (program, arguments, column) in SERVICES {
        let mut help = of_help(&help(program, arguments));
        assert!(help.len() > 10, "{program}: {help:?}");
        help.retain(|name, _| !name.starts_with("--"));
        same(program, &of_guide(&guide, column), &help);
    }
}

#[test]
fn the_guide_lists_every_setting_of_the_operator_gateway() {
    let mut help = of_help(&help("operator-gateway", &[]));
    assert!(help.len() > 10, "{help:?}");
    help.retain(|name, _| !name.starts_with("--"));
    same("operator-gateway", &of_section(&guide(), "operator-gateway"), &help);
}

#[test]
fn the_guide_lists_every_option_of_boxroomctl() {
    let guide = guide();
    let mut count = 0;
    for command in commands(&help("boxroomctl", &[])) {
        let inner = commands(&help("boxroomctl", &[&command]));
        let inner = inner.iter().map(|inner| vec![command.as_str(), inner]).collect::<Vec<_>>();
        // A command of a command has commands of its own.
        let inner = inner.into_iter().flat_map(|words| {
            let innermost = commands(&help("boxroomctl", &words));
            let longer = |innermost| [words.iter().map(ToString::to_string).collect(), vec![innermost]].concat();
            if innermost.is_empty() {
                vec![words.iter().map(ToString::to_string).collect::<Vec<String>>()]
            } else {
                innermost.into_iter().map(longer).collect()
            }
        });
        let inner: Vec<Vec<String>> = inner.collect();
        for words in if inner.is_empty() { vec![vec![command.clone()]] } else { inner } {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let name = words.join(" ");
            same(&format!("boxroomctl {name}"), &of_command(&guide, &name), &of_help(&help("boxroomctl", &words)));
            count += 1;
        }
    }
    assert_eq!(count, 32, "commands");
}
