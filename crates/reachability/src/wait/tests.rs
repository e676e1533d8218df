mod deadlines;
mod kept;

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep};

use super::{Observation, Wait};
use crate::{Answer, DownOptions, NotDown, Probe, UpOptions, wait_until_down, wait_until_up};

const SECOND: Duration = Duration::from_secs(1);

/// Gives one answer after the other, the last one for ever. Silence takes the whole timeout, as it
/// does on a network; everything else comes at once.
#[derive(Debug)]
struct Script {
    answers: Mutex<VecDeque<Answer>>,
    ignores_its_timeout: bool,
}

impl Script {
    fn new(answers: impl IntoIterator<Item = (usize, Answer)>) -> Self {
        let answers = answers
            .into_iter()
            .flat_map(|(times, answer)| std::iter::repeat_n(answer, times))
            .collect();
        Self {
            answers: Mutex::new(answers),
            ignores_its_timeout: false,
        }
    }
}

#[async_trait]
impl Probe for Script {
    fn target(&self) -> String {
        "script:host".to_owned()
    }

    async fn probe(&self, timeout: Duration) -> Answer {
        if self.ignores_its_timeout {
            std::future::pending::<()>().await;
        }
        let answer = {
            let mut answers = self.answers.lock().unwrap();
            if answers.len() > 1 {
                answers.pop_front().unwrap()
            } else {
                answers.front().unwrap().clone()
            }
        };
        if answer.is_silent() {
            sleep(timeout).await;
        }
        answer
    }
}

fn up() -> Answer {
    Answer::Up {
        detail: "here".to_owned(),
    }
}

fn failed() -> Answer {
    Answer::Failed {
        reason: "no way".to_owned(),
    }
}

async fn up_wait(
    script: &Script,
    options: &UpOptions,
) -> (Result<Wait, crate::DeadlinePassed>, usize) {
    let mut asked = 0;
    let result = wait_until_up(script, options, &mut |_| asked += 1).await;
    (result, asked)
}

async fn down_wait(script: &Script, options: &DownOptions) -> (Result<Wait, NotDown>, usize) {
    let mut asked = 0;
    let result = wait_until_down(script, options, &mut |_| asked += 1).await;
    (result, asked)
}

fn kinds(observations: &[Observation]) -> Vec<String> {
    observations.iter().map(ToString::to_string).collect()
}

#[tokio::test(start_paused = true)]
async fn a_host_that_boots_is_seen_up() {
    let script = Script::new([
        (4, Answer::Silent),
        (3, Answer::Refused),
        (2, Answer::Mute),
        (1, up()),
    ]);
    let (result, asked) = up_wait(&script, &UpOptions::default()).await;
    let wait = result.unwrap();

    assert_eq!(asked, 10);
    // Four silent probes of 3 s each, then five pauses of 1 s.
    assert_eq!(wait.took, 17 * SECOND);
    assert_eq!(
        kinds(&wait.observations),
        [
            "after 3.0 s until 12.0 s, 4 times: script:host: silent",
            "after 12.0 s until 14.0 s, 3 times: script:host: refused (the host is up, the service is not)",
            "after 15.0 s until 16.0 s, 2 times: script:host: mute (the host is up, the service says nothing)",
            "after 17.0 s: script:host: up (here)",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn successes_must_come_in_a_row() {
    let script = Script::new([(2, up()), (1, Answer::Refused), (3, up())]);
    let options = UpOptions {
        successes: 3,
        ..UpOptions::default()
    };
    let (result, asked) = up_wait(&script, &options).await;
    assert_eq!(asked, 6);
    let wait = result.unwrap();
    assert_eq!(wait.took, 5 * SECOND);
    let answers: Vec<&Answer> = wait.observations.iter().map(|seen| &seen.answer).collect();
    assert_eq!(answers, [&up(), &Answer::Refused, &up()]);
    let times: Vec<u64> = wait.observations.iter().map(|seen| seen.times).collect();
    assert_eq!(times, [2, 1, 3]);
}

#[tokio::test(start_paused = true)]
async fn no_success_asked_for_means_one() {
    let options = UpOptions {
        successes: 0,
        ..UpOptions::default()
    };
    let (result, asked) = up_wait(&Script::new([(1, up())]), &options).await;
    assert_eq!(asked, 1);
    assert_eq!(result.unwrap().took, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_the_wait_for_up_to_the_second() {
    let begin = Instant::now();
    let options = UpOptions {
        deadline: 10 * SECOND,
        ..UpOptions::default()
    };
    let (result, asked) = up_wait(&Script::new([(1, Answer::Silent)]), &options).await;
    let error = result.unwrap_err();

    // The fourth probe begins after nine seconds and gets one.
    assert_eq!((asked, begin.elapsed()), (4, 10 * SECOND));
    assert_eq!(error.last(), Some(&Answer::Silent));
    assert_eq!(
        error.to_string(),
        "see script:host up within 10 s; the last answer was: silent"
    );
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_never_ends_does_not_hold_the_wait() {
    let begin = Instant::now();
    let script = Script {
        ignores_its_timeout: true,
        ..Script::new([])
    };
    let options = UpOptions {
        deadline: 10 * SECOND,
        ..UpOptions::default()
    };
    let (result, _) = up_wait(&script, &options).await;
    let error = result.unwrap_err();
    assert!(matches!(error.last(), Some(Answer::Failed { .. })));
    assert!(begin.elapsed() <= 11 * SECOND, "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn no_interval_does_not_mean_a_busy_loop() {
    let options = UpOptions {
        interval: Duration::ZERO,
        deadline: SECOND,
        ..UpOptions::default()
    };
    let (result, asked) = up_wait(&Script::new([(1, Answer::Refused)]), &options).await;
    assert!(result.is_err());
    assert_eq!(asked, 100);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_goes_off_is_seen_down() {
    let script = Script::new([(3, up()), (2, Answer::Refused), (1, Answer::Silent)]);
    let (result, asked) = down_wait(&script, &DownOptions::default()).await;
    let wait = result.unwrap();

    // Five answers in five seconds, then silent probes of 3 s each until it has lasted 90 s.
    assert_eq!(wait.took, 95 * SECOND);
    assert_eq!(asked, 35);
    let answers: Vec<&Answer> = wait.observations.iter().map(|seen| &seen.answer).collect();
    assert_eq!(answers, [&up(), &Answer::Refused, &Answer::Silent]);
    let silence = wait.observations.last().unwrap();
    let ends = (silence.after, silence.until);
    assert_eq!((silence.times, ends), (30, (8 * SECOND, 95 * SECOND)));
}

#[tokio::test(start_paused = true)]
async fn neither_the_count_nor_the_time_is_enough_alone() {
    let script = || Script::new([(1, Answer::Silent)]);
    let many = DownOptions {
        failures: 40,
        silence: Duration::ZERO,
        ..DownOptions::default()
    };
    let (result, asked) = down_wait(&script(), &many).await;
    assert_eq!((result.unwrap().took, asked), (120 * SECOND, 40));

    let long = DownOptions {
        failures: 1,
        silence: 60 * SECOND,
        ..DownOptions::default()
    };
    let (result, asked) = down_wait(&script(), &long).await;
    assert_eq!((result.unwrap().took, asked), (60 * SECOND, 20));
}

#[tokio::test(start_paused = true)]
async fn a_reboot_is_not_a_power_off() {
    let script = Script::new([(2, up()), (20, Answer::Silent), (1, Answer::Refused)]);
    let (result, _) = down_wait(&script, &DownOptions::default()).await;
    let error = result.unwrap_err();
    let NotDown::Rebooted {
        silent_after,
        answered_after,
        answer,
        ..
    } = &error
    else {
        panic!("{error}");
    };
    assert_eq!((*silent_after, *answered_after), (2 * SECOND, 62 * SECOND));
    assert_eq!(answer, &Answer::Refused);
    assert!(error.to_string().contains("rebooted"), "{error}");
    assert_eq!(error.observations().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_reboot_that_is_soon_over_is_none_the_less_one() {
    // Six seconds of silence, which is less than the probes that a power-off takes.
    let script = || {
        Script::new([
            (2, up()),
            (2, Answer::Silent),
            (1, Answer::Refused),
            (1, up()),
        ])
    };
    let (result, asked) = down_wait(&script(), &DownOptions::default()).await;
    let NotDown::Rebooted {
        silent_after,
        answered_after,
        ..
    } = result.unwrap_err()
    else {
        panic!("not seen");
    };
    assert_eq!((silent_after, answered_after), (2 * SECOND, 8 * SECOND));
    assert_eq!(asked, 2 + 2 + 5, "it answers steadily");

    // The time is up before that: it answers all the same.
    let short = DownOptions {
        deadline: 10 * SECOND,
        ..DownOptions::default()
    };
    let (result, _) = down_wait(&script(), &short).await;
    assert!(
        matches!(result, Err(NotDown::Rebooted { .. })),
        "{result:?}"
    );

    // One probe that is lost, or a silence that is too short, is none.
    for (silent, reboot) in [(1, 2 * SECOND), (2, 7 * SECOND)] {
        let script = Script::new([(2, up()), (silent, Answer::Silent), (1, up())]);
        let options = DownOptions {
            reboot,
            deadline: 30 * SECOND,
            ..DownOptions::default()
        };
        let (result, _) = down_wait(&script, &options).await;
        assert!(matches!(result, Err(NotDown::StillUp { .. })), "{result:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_lost_answer_is_not_a_reboot() {
    let script = Script::new([
        (2, up()),
        (4, Answer::Silent),
        (2, up()),
        (1, Answer::Silent),
    ]);
    let (result, _) = down_wait(&script, &DownOptions::default()).await;
    // 2 s up, 12 s silent, 2 s up: the silence is counted from there.
    assert_eq!(result.unwrap().took, (2 + 12 + 2 + 90) * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_refuses_or_is_mute_is_not_down() {
    let not_ready = Answer::NotReady {
        detail: "status 503".to_owned(),
    };
    for answer in [up(), Answer::Refused, Answer::Mute, not_ready] {
        let script = Script::new([(1, answer.clone())]);
        let (result, _) = down_wait(&script, &DownOptions::default()).await;
        match result.unwrap_err() {
            NotDown::StillUp { last, .. } => assert_eq!(last, answer),
            other => panic!("{other}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_learned_nothing_is_no_evidence_of_silence() {
    let script = Script::new([(1, up()), (1, failed())]);
    let (result, _) = down_wait(&script, &DownOptions::default()).await;
    let error = result.unwrap_err();
    assert!(
        matches!(
            &error,
            NotDown::Deadline {
                silent_for: None,
                ..
            }
        ),
        "{error}"
    );

    let script = Script::new([(29, Answer::Silent), (1, failed()), (1, Answer::Silent)]);
    let (result, _) = down_wait(&script, &DownOptions::default()).await;
    assert_eq!(result.unwrap().took, (87 + 1 + 90) * SECOND);
}

#[tokio::test(start_paused = true)]
async fn silence_that_is_too_short_at_the_deadline_is_not_down() {
    let options = DownOptions {
        deadline: 60 * SECOND,
        ..DownOptions::default()
    };
    let (result, _) = down_wait(&Script::new([(1, Answer::Silent)]), &options).await;
    let error = result.unwrap_err();
    assert_eq!(
        error.to_string(),
        "be sure within 60 s that script:host is down: it has been silent for only 60.0 s, \
         the last answer was: silent"
    );
}

#[tokio::test(start_paused = true)]
async fn a_probe_cut_short_by_the_deadline_proves_nothing() {
    let options = DownOptions {
        failures: 2,
        silence: SECOND,
        deadline: 4 * SECOND,
        ..DownOptions::default()
    };
    let (result, asked) = down_wait(&Script::new([(1, Answer::Silent)]), &options).await;
    assert_eq!(asked, 2);
    assert!(matches!(result, Err(NotDown::Deadline { .. })));
}
