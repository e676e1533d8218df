//! How long services are down while they are backed up: `docker-backup` beside what people run
//! instead, and beside a bare stop and start.
//!
//! ```text
//! cargo xtask bench downtime
//! ```
//!
//! Everything happens in the lab's namespaces, with a Docker engine of their own. The benches'
//! `README.md` says what is measured, and what the figures do not say.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the table is what this program is for, and a run of minutes must show that it lives"
)]

mod beats;
mod contender;
mod data;
mod house;
mod measure;
mod options;
mod ours;
mod scripts;
mod table;

use std::{error, fs, path::Path};

use clap::Parser as _;
use lab::isolation::{Isolation, enter_or_reexec, scratch};
use rustix::mount::{MountFlags, mount_bind, mount_remount};

use crate::{
    beats::downtimes,
    contender::{Contender, Destination},
    data::Data,
    house::House,
    measure::Written,
    options::Options,
    table::{Night, Row, Table},
};

/// A benchmark that fails has nobody to tell but its reader.
type Outcome<T> = Result<T, Box<dyn error::Error>>;

fn main() -> Outcome<()> {
    let options = Options::parse();
    if let Isolation::None { why } = enter_or_reexec() {
        Err(format!("the lab's namespaces cannot be had: {why}"))?;
    }
    let folder = scratch().ok_or("the lab has no folder")?;
    if let Some(disk) = &options.dir {
        // The lab's own file system is in memory; this lays one on a disk over it.
        mount_bind(disk, &folder)?;
    } else {
        // Tests have to get by with less.
        mount_remount(&folder, MountFlags::empty(), c"size=90%")?;
    }
    println!("{}", compare(&options, &folder)?);
    Ok(())
}

fn compare(options: &Options, folder: &Path) -> Outcome<Table> {
    let house = House::build(folder, options.stacks.into())?;
    eprintln!("writing the data …");
    let mut data = Data::build(house.volumes()?, options.sizes())?;
    let mut rows = Vec::new();
    for mut contender in options.contenders() {
        rows.push(measure(
            options,
            folder,
            &house,
            &mut data,
            contender.as_mut(),
        )?);
    }
    Ok(Table {
        load: options.load(),
        rows,
    })
}

/// The first night of a contender, and the nights that are measured.
fn measure(
    options: &Options,
    folder: &Path,
    house: &House,
    data: &mut Data,
    contender: &mut dyn Contender,
) -> Outcome<Row> {
    let name = contender.name();
    let to = Destination::new(folder, options.destination_bytes())?;
    contender.prepare(house, &to)?;
    if contender.saves() {
        contender.night(house, &to)?;
    }
    let mut nights = Vec::new();
    for _ in 0..options.repeat.get() {
        data.change()?;
        house.await_beats()?;
        to.settle()?;
        if options.cold {
            measure::drop_page_cache()?;
        }
        let (before, marks) = (Written::now(&to)?, house.marks()?);
        let (whole_run, peak_kib) = measure::timed(|| contender.night(house, &to))?;
        house.await_beats()?;
        to.settle()?;
        let written = Written::now(&to)?.since(before);
        let mut down = Vec::new();
        for (service, mark) in house.services().iter().zip(marks) {
            let beats = fs::read_to_string(house.beats_of(service))?;
            down.push(downtimes(&beats, mark).map_err(|why| format!("{service}: {why}"))?);
        }
        let night = Night {
            down,
            whole_run,
            written,
            peak_kib,
        };
        eprintln!("{name}: {night}");
        nights.push(night);
    }
    Ok(Row {
        name,
        saves: contender.saves(),
        nights,
    })
}
