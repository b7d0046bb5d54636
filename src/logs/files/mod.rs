//! Plain files, followed through rotation and truncation.
