//! What every [`Probe`] is held to, for those who write one.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::{Answer, Probe};

/// What a probe asks is in this state while it is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scene {
    /// The service works.
    Up,
    /// The host is there, and nothing listens.
    Refused,
    /// The host takes the connection, and nothing more is heard.
    Mute,
    /// The service says that it is not ready.
    NotReady,
    /// Nothing comes back.
    Silent,
    /// What answers is something else, or the question cannot be asked.
    Failed,
}

impl Scene {
    /// Whether this is the answer to be expected.
    #[must_use]
    pub const fn fits(self, answer: &Answer) -> bool {
        matches!(
            (self, answer),
            (Self::Up, Answer::Up { .. })
                | (Self::Refused, Answer::Refused)
                | (Self::Mute, Answer::Mute)
                | (Self::NotReady, Answer::NotReady { .. })
                | (Self::Silent, Answer::Silent)
                | (Self::Failed, Answer::Failed { .. })
        )
    }
}

/// Checks that a probe keeps the contract of [`Probe`] while what it asks is in this state.
///
/// # Panics
/// When it does not, with what it did instead.
pub async fn check(probe: &dyn Probe, scene: Scene) {
    /// Enough for an answer on one machine, however busy it is.
    const LONG: Duration = Duration::from_secs(20);
    /// What a probe may take beyond its timeout.
    const GRACE: Duration = Duration::from_secs(1);

    let target = probe.target();
    assert!(!target.is_empty(), "it says what it asks");
    assert!(is_fit_for_a_log(&target), "{target:?}");
    assert_eq!(probe.target(), target, "and always the same");

    // Where the whole time passes by, there is no need for much of it.
    let passes_by = matches!(scene, Scene::Mute | Scene::Silent);
    let time = if passes_by { GRACE } else { LONG };
    for _ in 0..2 {
        let begin = Instant::now();
        let answer = probe.probe(time).await;
        let took = begin.elapsed();
        assert!(scene.fits(&answer), "{target}: {scene:?}, but {answer}");
        assert!(is_fit_for_a_log(&answer.to_string()), "{answer:?}");
        assert!(took < time + GRACE, "{target}: {took:?} of {time:?}");
    }

    // Asked for no time at all, it says something, and soon; silence is not to be had for nothing
    // while the host answers, but neither is anything else.
    let begin = Instant::now();
    let _ = probe.probe(Duration::ZERO).await;
    let took = begin.elapsed();
    assert!(took < GRACE, "{target}: {took:?} of none");

    // Two at once do not take each other's answers.
    let (first, second) = tokio::join!(probe.probe(time), probe.probe(time));
    for answer in [first, second] {
        assert!(scene.fits(&answer), "{target}: {scene:?}, but {answer}");
    }

    // One that is given up leaves the next in peace.
    let _ = timeout(Duration::from_millis(1), probe.probe(time)).await;
    let answer = probe.probe(time).await;
    assert!(scene.fits(&answer), "{target}: {scene:?}, but {answer}");
}

fn is_fit_for_a_log(text: &str) -> bool {
    !text.chars().any(char::is_control)
}
