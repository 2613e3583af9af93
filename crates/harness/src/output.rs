//! Destinations of the children's output.

use std::{
    collections::VecDeque,
    fmt,
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
};

/// The number of lines of a child's output that an error message shows.
const TAIL: usize = 30;

/// Receives the name of a child and one line of its output.
pub type LineSink = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// The destination of the output of all children of a stack.
#[derive(Clone)]
pub enum Output {
    /// The file `<folder>/<name>.log`, to which the output is appended.
    Folder(PathBuf),
    /// A function that receives the child's name and each line.
    Lines(LineSink),
}

impl fmt::Debug for Output {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => formatter.debug_tuple("Folder").field(folder).finish(),
            Self::Lines(_) => formatter.write_str("Lines"),
        }
    }
}

/// The last lines of one child's output, for error messages.
#[derive(Debug)]
pub(crate) enum Tail {
    File(PathBuf),
    Lines(Arc<Mutex<VecDeque<String>>>),
}

impl Output {
    /// Redirects the output of `command` to this destination under `name`.
    pub(crate) fn attach(&self, name: &str, command: &mut Command) -> std::io::Result<Tail> {
        match self {
            Self::Folder(folder) => {
                std::fs::create_dir_all(folder)?;
                let path = folder.join(format!("{name}.log"));
                let file = open(&path)?;
                command.stdout(file.try_clone()?).stderr(file);
                Ok(Tail::File(path))
            }
            Self::Lines(_) => {
                command.stdout(Stdio::piped()).stderr(Stdio::piped());
                Ok(Tail::Lines(Arc::default()))
            }
        }
    }

    /// Starts to forward the output of a started child.
    pub(crate) fn forward_output(&self, name: &str, child: &mut Child, tail: &Tail) {
        let (Self::Lines(sink), Tail::Lines(tail)) = (self, tail) else { return };
        let pipes: [Option<Box<dyn Read + Send>>; 2] =
            [child.stdout.take().map(|pipe| Box::new(pipe) as _), child.stderr.take().map(|pipe| Box::new(pipe) as _)];
        for pipe in pipes.into_iter().flatten() {
            let (name, sink, tail) = (name.to_owned(), Arc::clone(sink), Arc::clone(tail));
            // The thread ends when the child closes its end of the pipe.
            std::thread::spawn(move || forward(pipe, &name, &sink, &tail));
        }
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn forward(pipe: impl Read, name: &str, sink: &LineSink, tail: &Mutex<VecDeque<String>>) {
    for line in BufReader::new(pipe).split(b'\n') {
        let Ok(line) = line else { return };
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        sink(name, &line);
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        if tail.len() == TAIL {
            tail.pop_front();
        }
        tail.push_back(line);
    }
}

impl Tail {
    /// Returns the last lines, or an empty text.
    pub(crate) fn read(&self) -> String {
        match self {
            Self::File(path) => {
                let content = std::fs::read(path).unwrap_or_default();
                let content = String::from_utf8_lossy(&content);
                let lines: Vec<_> = content.lines().collect();
                lines[lines.len().saturating_sub(TAIL)..].join("\n")
            }
            Self::Lines(lines) => {
                let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
            }
        }
    }
}
