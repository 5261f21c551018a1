#include "codec/key_derivation.hpp"
