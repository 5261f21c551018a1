#include "codec/chunker.hpp"
