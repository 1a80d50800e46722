package native

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"chatbell"
	"chatbell/handlers/web"
)

func (a *api) userRoutes() []web.Route {
	return []web.Route{
		{Method: http.MethodPut, Path: "/v1/users/:user", Handle: a.putUser, Access: web.Server, Doc: docPutUser},
		{Method: http.MethodGet, Path: "/v1/users/:user", Handle: a.getUser, Access: web.Server, Doc: docGetUser},
		{Method: http.MethodDelete, Path: "/v1/users/:user", Handle: a.deleteUser, Access: web.Server, Doc: docDeleteUser},
	}
}

func (a *api) putUser(c echo.Context) error {
	id, err := web.PathID(c, "user")
	if err != nil {
		return err
	}
	var in userInput
	if err := web.ReadJSON(c, &in); err != nil {
		return err
	}
	k := &web.Checker{}
	k.SamePathID(string(in.ID), id)
	m := member(in)
	m.ID = chatbell.UserID(id)
	m.check(k, "")
	if err := k.Result(); err != nil {
		return err
	}
	u := chatbell.User(m)
	if err := a.state.PutUser(c.Request().Context(), web.CallerOf(c).Network, u); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, u)
}

func (a *api) getUser(c echo.Context) error {
	id, err := web.PathID(c, "user")
	if err != nil {
		return err
	}
	u, err := a.state.User(c.Request().Context(), web.CallerOf(c).Network, chatbell.UserID(id))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, u)
}

func (a *api) deleteUser(c echo.Context) error {
	id, err := web.PathID(c, "user")
	if err != nil {
		return err
	}
	if err := a.state.DeleteUser(c.Request().Context(), web.CallerOf(c).Network, chatbell.UserID(id)); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
