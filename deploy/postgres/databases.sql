-- Run once, when the volume is new: the databases Temporal keeps beside ours.
CREATE DATABASE temporal;
CREATE DATABASE temporal_visibility;
