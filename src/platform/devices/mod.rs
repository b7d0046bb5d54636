//! Devices that tell about themselves: cards, sensors, drives, boards. Plain data out, no metric names.
//!
//! | File | Asks | Where |
//! |---|---|---|
//! | `ethtool` | drivers of network interfaces, by ioctl | Linux |
//! | `infiniband` | the counters of RDMA ports | Linux |
//! | `nvme` | controllers: vendor statistics of EC2, health (SMART), by ioctl | Linux |
//! | `nvml` | GPUs, through the library that comes with NVIDIA's driver | Linux, Windows |
//! | `raspberry_pi` | what its firmware says about power and heat | Linux |
//! | `sensors` | temperatures and fans of hwmon, thermal zones | Linux |
//! | `wear` | cards and eMMC, and what ext4 counts | Linux |
//!
//! What is a folder of `/sys` gets its root as a parameter and compiles on every system; where there is no such folder, there is
//! no such device. What needs a system call says `Unsupported` elsewhere. Text of devices is never trusted: what is not of the
//! expected form is as if it were not there.
mod attributes;
pub mod ethtool;
pub mod infiniband;
mod library;
pub mod nvme;
pub mod nvml;
pub mod raspberry_pi;
pub mod sensors;
#[cfg(test)]
pub mod trees;
pub mod wear;

/// Where the files of devices are; `/sys` and `/proc` are in `procfs`.
pub const DEV: &str = "/dev";
