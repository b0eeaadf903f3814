/* callskept.h: the life of a record of calls, for those that only keep one. Needs no Python; see calls.h. */
#ifndef SC_CALLSKEPT_H
#define SC_CALLSKEPT_H

typedef struct sc_calls sc_calls;

sc_calls *sc_calls_new(void);
void sc_calls_retain(sc_calls *calls);
void sc_calls_drop(sc_calls *calls);

#endif
