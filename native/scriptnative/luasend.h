/* luasend.h: `send` of a connection from Lua, straight to its socket while nothing waits to be sent.
 *
 * Otherwise, and for whatever is out of the ordinary, its Python method is called: this is a shorter way, not another
 * behaviour. Whose object has an outlet says the object's owner, which sets and clears the descriptor; all under the
 * run lock of the script.
 */
#ifndef SC_LUASEND_H
#define SC_LUASEND_H

#include "luacross.h"

typedef struct sc_outlet {
    int descriptor;          /* of a socket that takes bytes as they are, now; -1: ask Python */
    unsigned long long sent; /* bytes so far */
} sc_outlet;

/* Where in an object of the type Outlet its struct is; the same in every interpreter. */
void sc_outlet_set_offset(size_t offset);

/* sender(id of a type with an Outlet, its method), on top of L: gives the function for objects of just that type.
 * May raise a Lua error. */
void sc_lua_push_sender(sc_lua *lua, lua_State *L);

#endif
