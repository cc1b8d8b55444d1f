//! Runs specification scripts on the face; never knows how code is made.
