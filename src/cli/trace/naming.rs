//! Names of hops, asked for by a thread of its own so that no probe ever waits for one.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::net::resolver::Resolver;

/// Names that are known, or asked for.
#[derive(Debug)]
pub(super) struct Naming {
    names: HashMap<Ipv4Addr, Question>,
    questions: Sender<Ipv4Addr>,
    answers: Receiver<(Ipv4Addr, Option<Arc<str>>)>,
    resolver: Arc<Resolver>,
}

/// What became of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Question {
    Asked,
    Settled(Option<Arc<str>>),
}

impl Naming {
    /// Starts the thread that waits for the resolver.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(resolver: Resolver) -> Result<Self> {
        let resolver = Arc::new(resolver);
        let (questions, asked) = channel::<Ipv4Addr>();
        let (answer, answers) = channel();
        let own = Arc::clone(&resolver);
        thread::Builder::new()
            .spawn(move || {
                for address in asked {
                    if answer.send((address, own.name(address))).is_err() {
                        break;
                    }
                }
            })
            .map_err(|why| Error::usage("starting a thread to look up names", why))?;
        Ok(Self {
            names: HashMap::new(),
            questions,
            answers,
            resolver,
        })
    }

    /// Asks for a name, unless it was asked for before.
    pub(super) fn ask(&mut self, address: Ipv4Addr) {
        if !self.names.contains_key(&address) {
            let question = match self.questions.send(address) {
                Ok(()) => Question::Asked,
                // Nobody is left to answer.
                Err(_) => Question::Settled(None),
            };
            self.names.insert(address, question);
        }
    }

    /// Takes the answers that have come; waits for one at most so long. False when none came.
    pub(super) fn listen(&mut self, patience: Duration) -> bool {
        let mut next = self.answers.recv_timeout(patience).ok();
        let any = next.is_some();
        while let Some((address, name)) = next {
            self.names.insert(address, Question::Settled(name));
            next = self.answers.try_recv().ok();
        }
        any
    }

    /// Whether there is nothing more to be learnt of an address.
    pub(super) fn is_settled(&self, address: Ipv4Addr) -> bool {
        self.names.get(&address) != Some(&Question::Asked)
    }

    pub(super) fn name(&self, address: Ipv4Addr) -> Option<&str> {
        match self.names.get(&address)? {
            Question::Settled(name) => name.as_deref(),
            Question::Asked => None,
        }
    }

    /// Why no more names come, once.
    pub(super) fn notice(&self) -> Option<String> {
        self.resolver.notice()
    }
}
