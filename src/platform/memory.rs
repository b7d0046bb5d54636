//! What becomes of memory that the program has no use for any more.
#![cfg_attr(all(target_os = "linux", target_env = "gnu"), allow(unsafe_code))]

/// Gives every page in which nothing is in use back to the system: of all threads, and also between what is in use.
///
/// The allocator of glibc keeps what is freed, unless it is large or lies at the very end, and keeps it apart for each
/// thread. So what was needed once, by a start with thousands of files, would stay resident for ever. This goes through
/// all that is free, a few milliseconds where it is much. Other allocators give back by themselves: nothing is done there.
/// <https://man7.org/linux/man-pages/man3/malloc_trim.3.html>
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes no pointer, locks each arena while it works there, and touches nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Lets all threads take from the same memory. To be called before the first of them is started.
///
/// The allocator of glibc would give each thread a region of its own, and what one has freed would be of no use to the
/// others. Our threads are few and ask seldom: none waits for another. Nothing is done where another allocator is used.
/// `M_ARENA_MAX`: <https://man7.org/linux/man-pages/man3/mallopt.3.html>
pub fn share() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes two numbers, and the page above names them; what it refuses stays as it is.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;
    use std::hint::black_box;

    fn resident() -> u64 {
        let status = std::fs::read_to_string("/proc/self/statm").expect("/proc");
        status.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number of pages")
    }

    #[test]
    fn what_is_free_between_what_is_in_use_is_given_back() {
        // Small ones, each page with one in use at the end of all: nothing of that is given back by itself.
        let mut all: Vec<Vec<u8>> = (0..400_000).map(|n: u32| black_box(vec![n.to_le_bytes()[0]; 200])).collect();
        let last = all.pop();
        drop(all);
        let before = resident();
        give_back();
        // Eighty megabytes; other tests run beside this one.
        assert!(resident() + 8_000 < before, "{before} pages before, {} after", resident());
        drop(last);
    }
}
