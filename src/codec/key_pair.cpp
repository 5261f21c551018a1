#include "codec/key_pair.hpp"
