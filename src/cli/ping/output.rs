//! Where data goes: standard output, a file, or a file that is replaced whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::cli::Console;
use crate::cli::text::Text;
use crate::error::{Error, Result, named};

/// Text that is written when there is much of it, or nothing else to do.
pub(super) struct Output<'a, 'b> {
    pub(super) console: &'a mut Console<'b>,
    file: Option<File>,
    name: String,
    pub(super) text: Text,
    pub(super) err: Text,
    written: u64,
}

/// So much is written at once.
pub(super) const MUCH: usize = 1 << 16;

impl<'a, 'b> Output<'a, 'b> {
    /// To this file, or to standard output.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub(super) fn open(path: Option<&Path>, console: &'a mut Console<'b>) -> Result<Self> {
        let path = path.filter(|path| *path != Path::new("-"));
        let name = path.map_or("standard output".to_owned(), named);
        let open = |path| File::create(path);
        let file = path.map(open).transpose();
        let file = file.map_err(|why| Error::usage(format!("opening {name}"), why))?;
        Ok(Self {
            console,
            file,
            name,
            text: Text::default(),
            err: Text::default(),
            written: 0,
        })
    }

    /// Writes what is there, then `text`, which is empty after that.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub(super) fn pass(&mut self, text: &mut Text) -> Result<()> {
        self.flush()?;
        std::mem::swap(&mut self.text, text);
        self.flush()
    }

    /// Writes when there is much.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub(super) fn relieve(&mut self) -> Result<()> {
        if self.text.len() >= MUCH || self.err.len() > 0 {
            return self.flush();
        }
        Ok(())
    }

    /// Writes everything, data before the words that came after it.
    ///
    /// # Errors
    /// The data cannot be written in full.
    pub(super) fn flush(&mut self) -> Result<()> {
        if self.text.len() > 0 {
            let out: &mut dyn Write = match &mut self.file {
                Some(file) => file,
                None => self.console.out,
            };
            let bytes = self.text.as_bytes();
            let result = out.write_all(bytes).and_then(|()| out.flush());
            if let Err(why) = result {
                self.text.clear();
                let what = format!("writing {} (after {} bytes)", self.name, self.written);
                return Err(Error::write(what, &why));
            }
            self.written = self.written.saturating_add(bytes.len() as u64);
            self.text.clear();
        }
        if self.err.len() > 0 {
            // Words that nobody can read any more are no reason to stop.
            let _ = self.console.err.write_all(self.err.as_bytes());
            self.err.clear();
        }
        Ok(())
    }
}

/// A file whose content is replaced as one: whoever reads it never sees half of it.
#[derive(Debug)]
pub(super) struct Replaced {
    path: PathBuf,
    beside: PathBuf,
}

impl Replaced {
    /// The folder, which the sandbox must leave open, and the file in it.
    ///
    /// # Errors
    /// The path names no file, or one that is not replaced but written to: a device or a pipe.
    pub(super) fn new(path: &Path) -> Result<(PathBuf, Self)> {
        let doing = || format!("opening {}", named(path));
        let Some(name) = path.file_name() else {
            return Err(Error::usage(doing(), "this names no file"));
        };
        if fs::metadata(path).is_ok_and(|it| !it.is_file()) {
            return Err(Error::usage(doing(), "only a file can be replaced")
                .advice("without -o it goes to standard output"));
        }
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
        let folder = folder.map_or(PathBuf::from("."), Path::to_owned);
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}", std::process::id()));
        let beside = folder.join(hidden);
        let path = folder.join(name);
        Ok((folder, Self { path, beside }))
    }

    /// Replaces the file by what `content` hands over, part after part.
    ///
    /// # Errors
    /// The content cannot be written in full; the file is as it was.
    pub(super) fn replace(
        &self,
        content: impl FnOnce(&mut dyn FnMut(&mut Text) -> Result<()>) -> Result<()>,
    ) -> Result<()> {
        let failed = |why: io::Error| {
            let _ = fs::remove_file(&self.beside);
            Error::write(format!("replacing {}", named(&self.path)), &why)
        };
        let mut file = File::create(&self.beside).map_err(failed)?;
        content(&mut |text| {
            file.write_all(text.as_bytes()).map_err(failed)?;
            text.clear();
            Ok(())
        })?;
        drop(file);
        fs::rename(&self.beside, &self.path).map_err(failed)
    }
}
